"""Phantom exams: a small lung-ultrasound simulator that writes the hospital's layout.

No real patient is in here, and none is needed to try, test or demonstrate the pipeline. Read
``scanner`` (the fan), ``scene`` (the anatomy), ``echoes`` (what each score looks like), ``render``
(speckle and frames), ``files`` and ``tree`` (the exams on disk), in this order.
"""
