"""One self-contained HTML page about a run: ``render_report(content)``.

``content`` says what a report shows, ``patients`` hides who is in it, ``figures`` draws, ``html``
puts the page together from ``templates/``.
"""
