"""The page as a whole."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lusgan_core.calls.section import (
    REAL,
    SYNTHETIC,
    Animation,
    Callout,
    Claim,
    ExamFile,
    FrameAt,
    FramePair,
    FramePairs,
    Group,
    Histograms,
    Measured,
    Patient,
    Range,
    Section,
    Series,
    Sheet,
    Strip,
    StripPicture,
    Table,
)
from lusgan_core.ingestion import stage as ingestion
from lusgan_core.reporting.content import Option, ReportContent, ScorePage
from lusgan_core.reporting.page import by_metric
from lusgan_core.reporting.patients import PatientNames
from lusgan_core.reporting.pictures import LARGEST_GIF
from lusgan_core.selection import stage as selection
from lusgan_core.store import LocalStore
from sample_content import (
    CODES,
    COLLAPSE,
    EXAMS,
    MSSSIM,
    NO_MSSSIM,
    PSNR,
    RASE,
    SSIM,
    TOO_FEW,
    data_sections,
    draw,
    evaluation_section,
    model_folder,
    real_key,
    sample_content,
    sample_store,
    samples_section,
    spread,
    training_section,
    with_table,
    with_values,
)

VOID = {"meta", "link", "img", "br", "hr", "input"}
FETCHING = {"src", "href", "srcset", "poster", "action", "data", "xlink:href", "background"}


class Page(HTMLParser):
    """Reads a page: complains of unbalanced tags, collects what the tests ask about."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len(attrs) == len(dict(attrs)), f"attribute twice in <{tag}>"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def attributes(self, name: str) -> list[str]:
        return [attrs[name] or "" for _, attrs in self.tags if name in attrs]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> LocalStore:
    """Return a store with all that the sample's page shows; tests leave it as it is."""
    return sample_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def content(store) -> ReportContent:
    return sample_content(store)


@pytest.fixture(scope="module")
def html(content, store) -> str:
    return draw(content, store)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def showing(content: ReportContent, *sections: Section) -> ReportContent:
    """Return the content with one score, of these sections alone."""
    return replace(content, data=(), scores=(ScorePage(0, sections=sections),))


def test_every_section_is_there(page):
    """A full run's page shows data, samples, training, evaluation, options and provenance."""
    headings = [
        "Data", "Score distribution", "Rejected clips", "Score 0", "Score 3", "Gates", "Samples",
        "Training", "Progress", "Losses and learning rates", "Similarity", "Collapse",
        "Nearest pairs", "Options", "All options", "Provenance", "Make it again", "Notes",
    ]  # fmt: skip
    assert [h for h in headings if h not in page.words] == []
    for words in ("47,700", "192,000", "0.6470", "1 warning", "No model", "Held back", "Promoted",
                  TOO_FEW, COLLAPSE, "Promoted. This is the current model of score 0",
                  "training.lr_generator", "Images are scaled to -1..1", "2.14.0", "3,217 MB",
                  "lusgan run --exams s3://exams/wave-1", "2024-05-01 13:45 UTC",
                  "4,000 iterations", "12,300 frames of 3 patients", "4 h 48 min",
                  f"MS-SSIM is absent: {NO_MSSSIM}."):  # fmt: skip
        assert words in page.text


def test_every_picture_is_there(page):
    """A legend, and of each of three models a thumbnail, two sheets, previews, a GIF and pairs."""
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 4 + 3 * (1 + 2 + 8 + 1 + 8)
    assert sum(attrs["src"].startswith("data:image/gif") for attrs in pictures) == 3
    charts = [attrs for tag, attrs in page.tags if tag == "svg" and "role" in attrs]
    assert len(charts) == 2 + 3 * (2 + 1 + 1)  # bars; and curves, likeness, nearest of each model


def test_the_page_fetches_nothing(html, page):
    """Every reference is a data URI or an anchor, styles load nothing, and there is no script."""
    for name in FETCHING:
        assert [v for v in page.attributes(name) if not v.startswith(("data:", "#"))] == []
    assert not re.search(r"url\(|@import|<script|<iframe|<object|\son\w+=", html)


def test_ids_are_unique_and_anchors_lead_somewhere(page):
    """No id occurs twice, and each link within the page has its target."""
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    anchors = {h[1:] for h in page.attributes("href") if h.startswith("#")}
    assert anchors >= {"main", "data", "score-0", "score-3", "options", "provenance"}
    assert anchors <= set(ids)


def test_the_page_can_be_read_without_seeing_it(page):
    """Images have alternative texts, charts and scrolling tables are labelled, and headings skip
    no level."""
    assert all("alt" in attrs for tag, attrs in page.tags if tag == "img")
    charts = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert all(attrs.get("aria-label") or "aria-hidden" in attrs for attrs in charts)
    assert all(attrs.get("aria-label") for _, attrs in page.tags if attrs.get("role") == "region")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_alternative_texts_say_what_a_picture_shows(page):
    """Sheets, previews, animations and pairs are described by kind, number and patient."""
    texts = page.attributes("alt")
    for words in (
        "16 real frames",
        "16 synthetic frames",
        "Animation of the training of score 0",
        "Progress of score 0 after 4,000 iterations",
        "Synthetic frame 5, left, and its nearest real frame, of patient E, right",
    ):
        assert words in texts


def test_foreign_text_is_shown_and_never_interpreted(page):
    """Markup, escape sequences and direction marks of a rejected clip's reason are plain text."""
    assert "declared,\\n<b>41</b> found\\x1b[31m \\u202egnp.exe" in page.text
    assert "b" not in {tag for tag, _ in page.tags}


FIXED = {"kind", "state", "better", "statistic", "key"}
"""Fields that hold one of a few words, by which sections are read, and keys of pictures."""


def with_text(value: Any, text: str, field: str = "") -> Any:
    """Return what a section was dumped to, with every text in it replaced."""
    if isinstance(value, dict):
        return {name: with_text(item, text, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [with_text(item, text, field) for item in value]
    return text if isinstance(value, str) and field not in FIXED else value


def test_hostile_names_cannot_break_out(content, store):
    """Quotes and tags in every text of every section, group, figure, cell and note, in options
    and in provenance leave the page balanced and free of them."""
    nasty = "\"'><img src=x onerror=alert(1)></style></code>{{ 7*7 }}\udc80"

    def hostile(sections: tuple[Section, ...]) -> tuple[Section, ...]:
        return tuple(
            Section.model_validate(with_text(section.model_dump(), nasty)) for section in sections
        )

    every = (*content.scores[2].sections, with_values(*spread(SSIM, (REAL, REAL), 1, 1, 0, 1, 1)))
    kinds = {
        f.kind for section in (*every, *content.data) for g in section.groups for f in g.figures
    }
    assert kinds == {
        "sheet", "strip", "animation", "pairs", "curves", "histograms", "bars", "table"
    }  # fmt: skip
    spoilt = replace(
        content, title=nasty, preset=nasty, data=hostile(content.data), deviations=(nasty,),
        scores=(ScorePage(0, failure=nasty, sections=hostile(every)), ScorePage(1, failure=nasty)),
        options=(Option(nasty, nasty, nasty, nasty), Option(nasty, nasty, "", nasty)),
        provenance=replace(
            content.provenance, command=nasty, git_commit=nasty, device=nasty,
            digests={nasty: nasty}, libraries={nasty: nasty}, plugins={nasty: nasty},
            versions={nasty: 1}, seeds={nasty: 1}, timings_s={nasty: 1.0},
        ),
    )  # fmt: skip
    for show_codes in (False, True):
        names = PatientNames([nasty], show_codes, {nasty: [nasty]})
        html = draw(replace(spoilt, patients=names), store)
        html.encode("utf-8")
        page = Page(html)
        assert "onerror" not in {name for _, attrs in page.tags for name in attrs}
        assert {"script", "b"} & {tag for tag, _ in page.tags} == set()
        assert [v for v in page.attributes("src") if not v.startswith("data:")] == []
        assert "49" not in re.findall(r"\d+", page.text)
        assert "\\udc80" in page.text


def without_pixels(html: str) -> str:
    """The page less its images and coordinates, in which any digits may occur by chance."""
    return re.sub(r'data:image/[^"]+|points="[^"]+"', "", html)


def telling(text: str, code: str) -> Section:
    """Return a section that has a text with codes in it, or a code, wherever one may stand."""
    at = FrameAt(key=real_key(code, 0), row=0, score=0)
    pair = FramePair(value=0.5, synthetic=at, number=0, real=at, patient=code, held_out=False)
    exam = EXAMS[code][0]
    file = ExamFile(file=f"{code}/{exam}/convex_{code}_{exam}_3.mat", patient=code, exam=exam)
    unknown = ExamFile(file="1999/1390/convex_1999_1390_3.mat", patient="1999", exam="1390")
    cells = (Patient(code=code), file, unknown, text, 3, None)
    columns = tuple("abcdef")
    return Section(
        name="telling",
        title="Telling",
        callouts=tuple(Callout(state=state, text=text) for state in ("good", "warn", "bad")),
        facts=(("A patient", Patient(code=code)), ("A file", file), ("A text", text)),
        text=text,
        groups=(
            Group(
                title="Figures",
                text=text,
                caption=text,
                figures=(
                    Sheet(name="real", title="Real", frames=(at,)),
                    Strip(
                        title="Progress",
                        pictures=(StripPicture(key=f"previews/{code}.png", caption="500"),),
                        side=8,
                        caption=text,
                    ),
                    Animation(title="Gone", key=f"models/{code}/progress.gif", caption=text),
                    Animation(title="There", key=f"{model_folder(0)}/progress.gif", caption=text),
                    FramePairs(title="Pairs", metric="SSIM", pairs=(pair,), caption=text),
                    Histograms(
                        title="Likeness", metric="SSIM", label="share", edges=(0.0, 1.0),
                        series=(Series(name="pairs", kind="a", values=(1.0,)),), caption=text,
                    ),
                    Table(
                        title="Table", caption=text, columns=columns, rows=(cells, cells[::-1]),
                        totals=((text, *cells[:5]),),
                    ),
                ),
            ),
        ),
        notes=(text,),
    )  # fmt: skip


def telling_content(content: ReportContent, show_codes: bool) -> ReportContent:
    """Return content with codes wherever a run, or a person's command, may put them."""
    told = f"patient {CODES[0]}: convex_1102_1302_3.mat of exam 1302 in /data/1203/1303/"
    made = replace(
        content.provenance, command=f"lusgan run --exams /x/{CODES[0]}",
        digests={f"shards/{CODES[1]}/1302/convex_{CODES[1]}_1302_3": "ab"},
    )  # fmt: skip
    sections = tuple(telling(told, code) for code in CODES)
    return replace(
        content,
        title=f"Only {CODES[2]}",
        scores=(ScorePage(0, sections=sections), ScorePage(1, failure=told), content.scores[2]),
        provenance=made,
        options=(Option("ingest.exams", f"/data/{CODES[3]}", f"/x/{CODES[4]}"),),
        patients=PatientNames(CODES, show_codes, EXAMS),
    )


def test_names_of_plugins_are_no_codes(content, store):
    """A patient or an exam that is called 1, as those of phantoms are, leaves ``penalty/r1`` and
    the name of a stage or a library what they are."""
    told = replace(
        content.provenance, plugins={"penalty/r1": "lusgan 1"}, libraries={"lib/a1": "1"},
        versions={"of/s1": 1}, seeds={"of/t1": 2}, timings_s={"of/u1": 1.0},
    )  # fmt: skip
    names = PatientNames(["1"], exams={"1": ["1"]})
    headings = Page(draw(replace(content, provenance=told, patients=names), store)).text
    for name in ("penalty/r1", "lib/a1", "of/s1", "of/t1", "of/u1"):
        assert name in headings


def test_no_code_of_a_patient_or_an_exam_is_in_the_page(content, store):
    """Wherever codes went in (cells, pairs, files, callouts, captions, reasons, keys of pictures,
    options, command), none comes out."""
    html = without_pixels(draw(telling_content(content, show_codes=False), store))
    codes = {*CODES, "1999", "1390"} | {exam for exams in EXAMS.values() for exam in exams}
    assert [code for code in codes if code in html] == []
    assert "patient A: B/exam 1/area 3 of exam ? in /data/C/exam 1/" in html
    assert "A/exam 1/area 3" in html
    assert "?/exam ?/area 3" in html


def test_codes_are_in_the_page_when_asked_for(content, store):
    """With show_codes the same page names patients by code."""
    html = without_pixels(draw(telling_content(content, show_codes=True), store))
    assert all(code in html for code in CODES)
    assert "1999/1390/convex_1999_1390_3.mat" in html
    assert "patients shown by code" in Page(html).text


def test_a_patient_has_the_same_letter_everywhere(page):
    """Table and pairs name the patient that is held out by the fifth letter."""
    assert re.search(r"\bE held out 2,200 1,000 0 2,250 5,450\b", page.text)
    assert "synthetic 5, patient E (held out)" in page.text
    assert "synthetic 1, patient A (training)" in page.text


def test_a_run_that_made_nothing_still_has_a_page(content, store):
    """No exam usable, no model, no options, no provenance: the page says so and is well formed."""
    empty = replace(
        content,
        data=(selection.section([], frozenset(), 0), ingestion.section([])),
        scores=(
            ScorePage(0),
            ScorePage(1, failure="no labelled frames"),
            ScorePage(2, sections=(training_section(store, 2, 64),)),
        ),
        options=(), deviations=(), patients=PatientNames([]),
        provenance=replace(content.provenance, timings_s={}, digests={}, libraries={}, plugins={},
                           versions={}, seeds={}, peak_rss_mb=0.0, git_commit="", device=""),
    )  # fmt: skip
    page = Page(draw(empty, store))
    for words in ("No clip was rejected", "No patient is held out", "no labelled frames",
                  "This score was not trained", "were not evaluated", "Not trained"):  # fmt: skip
        assert words in page.text
    assert "Notes" not in page.words
    assert "All options" not in page.words


def test_a_run_of_no_score_has_a_page(content, store):
    """Without any score there are still data, options and provenance."""
    page = Page(draw(replace(content, scores=()), store))
    assert {"Data", "Options", "Provenance"} <= set(page.words)


def test_samples_without_real_frames_are_shown_alone(content, store):
    """Where no training frame is at hand there is the sheet of synthetic ones, and a thumbnail."""
    page = Page(draw(showing(content, samples_section(0, real=False)), store))
    shown = [alt for alt in page.attributes("alt") if not alt.startswith("A phantom of score")]
    assert shown == ["", "16 synthetic frames"]


def test_claims_and_advice_are_on_the_first_screen(content, store):
    """Answers with their numbers, and what to do next, stand above all sections, escaped."""
    claims = (
        Claim(question="Realistic?", answer="Partly", state="warn", text="KID 0.3 <b>, floor 0.1."),
        Claim(question="Copies?", answer="Cannot say", state="unknown", text="Nobody is held out."),
    )
    section = Section(name="x", title="X", claims=claims, advice=("Train longer.", "Look <here>."))
    first, _, _ = draw(showing(content, section), store).partition('<main id="main">')
    for words in (
        '<dt>Realistic?</dt><dd><strong class="state warn">Partly</strong> KID 0.3 &lt;b&gt;',
        '<strong class="state unknown">Cannot say</strong> Nobody is held out.',
        "<strong>Next:</strong> Train longer. Look &lt;here&gt;.",
    ):
        assert words in first


def test_samples_come_before_the_data(html):
    """Whoever scrolls meets the frames of the first score before tables of exams."""
    assert html.index('id="score-0"') < html.index('id="data"') < html.index('id="options"')


def test_notes_are_said_once(content):
    """A note that several scores have is in the report once, in the order of scores."""
    notes = [("first", "second"), ("second",), ("third", "first")]
    pages = tuple(
        ScorePage(score, sections=(Section(name="x", title="X", notes=of),))
        for score, of in enumerate(notes)
    )
    assert replace(content, scores=pages).notes == ("first", "second", "third")


def test_a_warning_is_told_in_the_summary_and_beside_the_score(page):
    """What a reader should not miss of a training stands at the top and in its score's section."""
    assert page.text.count(COLLAPSE) == 2
    assert page.text.count(TOO_FEW) == 2


def test_a_held_back_model_is_said_to_be(content, store):
    """The summary says so of a model that failed a gate, even where it was warned of too."""
    warned = Section(
        name="promotion", title="Gates",
        callouts=(Callout(state="warn", text="odd"), Callout(state="bad", text="Held back: odd.")),
    )  # fmt: skip
    page = Page(draw(showing(content, warned), store))
    assert "Held back" in page.words
    assert "1 warning" not in page.words


def test_infinite_and_undefined_cells_are_written_as_signs(content, store):
    """A table of ∞, NaN and nothing shows ∞, – and –, never inf, nan or None."""
    section = with_table("SSIM", math.inf, -math.inf, math.nan, None)
    text = Page(draw(showing(content, section), store)).text
    assert re.search(r"\bSSIM ∞ −∞ – –", text)
    assert not re.search(r"\b(inf|nan|None)\b", text)


def test_ranges_are_cells(content, store):
    """A range is written with both ends, and set as the number that it is."""
    section = with_table("KID", Range(low=-0.5, high=0.25), "too few patients for an interval")
    html = draw(showing(content, section), store)
    assert '<td class="num">−0.5000 to 0.2500</td>' in html
    assert re.search(r"KID −0.5000 to 0.2500 too few patients", Page(html).text)


def test_values_that_are_not_finite_are_written_as_signs(content, store):
    """A metric none of whose pairs has a finite value shows – in every column, and how many
    pairs were infinite or undefined."""
    values = spread(
        PSNR, (SYNTHETIC, SYNTHETIC), 10, None, None, None, None, infinite=7.0, undefined=3.0
    )
    html = draw(showing(content, with_values(*values)), store)
    assert re.search(r"10 7 infinite 3 undefined – – – –", Page(html).text)
    assert 'class="whisker' not in html
    assert not re.search(r"\b(inf|nan|None)\b", Page(html).text)


def test_counts_of_odd_pairs_stand_beside_the_count(page):
    """Infinite and undefined pairs are told where there are any, and nowhere else."""
    assert "4,950 3 infinite" in page.text
    assert "1,230,000 7 undefined" in page.text
    assert page.text.count(" infinite ") == 3  # once a score


def test_values_stand_in_rows_with_unit_direction_and_bounds(page):
    """Each kind of pairs has its row; a metric states what is better, its unit and its bounds."""
    for words in (
        "PSNR ↑ higher = more alike, in dB, from 0 up real × synthetic 1,230,000 "
        "16.31 1.92 10.01 27.30",
        "synthetic × synthetic 4,950 3 infinite 17.90 2.31 11.20 34.20",
        "real × real, other clips 19,900 15.20 2.10 9.40 29.90",
        "RASE ↓ lower = more alike, in %, from 0 up real × synthetic",
        "SSIM ↑ higher = more alike, from -1 to 1 real × synthetic".replace("-", "−"),
    ):
        assert words in page.text


def test_metrics_are_in_rows_in_the_order_in_which_they_came():
    """Values of a metric are brought together, kinds of pairs within it too, first come first."""
    mixed, made = (REAL, SYNTHETIC), (SYNTHETIC, SYNTHETIC)
    one = spread(SSIM, mixed, 9, 0.5, 0.1, 0.2, 0.8)
    two = spread(RASE, made, 4, 5.0, 1.0, 2.0, 8.0, undefined=1.0)
    three = spread(SSIM, made, 7, 0.6, 0.1, 0.3, 0.9)
    shuffled = [one[0], two[0], three[0], *two[1:], *three[1:], *one[1:]]
    (first, rows), (second, others) = by_metric(shuffled)
    assert (first.title, second.title) == ("SSIM", "RASE")
    assert [row["mean"].between for row in rows] == [mixed, made]
    assert [row["mean"].number for row in rows] == [9, 7]
    assert {name: value.value for name, value in rows[0].items()} == {
        "mean": 0.5, "sd": 0.1, "min": 0.2, "max": 0.8,
    }  # fmt: skip
    assert [row["undefined"].value for row in others] == [1.0]


def test_values_between_no_sides_are_in_no_table(content, store):
    """What was measured of a training or by a gate compares no frames, and is left out."""
    ends = MSSSIM.model_copy(update={"between": (), "statistic": "end", "value": 0.75})
    assert by_metric([ends]) == []
    pairs = spread(SSIM, (REAL, REAL), 2, 0.5, 0.1, 0.2, 0.8)
    assert [metric.title for metric, _ in by_metric([ends, *pairs, ends])] == ["SSIM"]
    html = draw(replace(showing(content, with_values(ends)), options=()), store)
    assert 'class="metrics"' not in html


def test_one_statistic_alone_is_in_no_table(content, store):
    """A gate may decide by the largest value between two sides; a row takes mean, SD, min, max."""
    (*_, largest) = spread(SSIM, (SYNTHETIC, SYNTHETIC), 2, 0.5, 0.1, 0.2, 0.8)
    assert largest.statistic == "max"
    assert by_metric([largest]) == []
    pairs = spread(SSIM, (REAL, REAL), 2, 0.5, 0.1, 0.2, 0.8)
    ((_, rows),) = by_metric([largest, *pairs])
    assert [row["mean"].between for row in rows] == [(REAL, REAL)]
    html = draw(replace(showing(content, with_values(largest)), options=()), store)
    assert 'class="metrics"' not in html


def test_a_huge_animation_is_left_out_and_said(content, store, tmp_path):
    """A GIF over the limit is not in the page; the page tells where it is."""
    data = store.get(f"{model_folder(0)}/progress.gif")
    other = LocalStore(tmp_path)
    animation = Group(figures=(Animation(title="All previews", key="a.gif"),))
    section = Section(name="a", title="A", groups=(animation,))
    for padding, left_out in ((b"", False), (bytes(LARGEST_GIF), True)):
        other.put("a.gif", data + padding)
        html = draw(showing(content, section), other)
        assert ("data:image/gif" not in html) == left_out
        assert ("it is too large, or gone" in Page(html).text) == left_out


def test_sections_of_a_score_are_in_the_order_that_they_came_in(content, store):
    """The page has no order of its own: an evaluation that comes first is read first."""
    sections = (evaluation_section(0), samples_section(0))
    words = Page(draw(showing(content, *sections), store)).words
    assert words.index("Similarity") < words.index("Samples")


def test_the_date_is_in_utc(content, store):
    """A moment with another time zone is converted, one without is taken for UTC."""
    moment = datetime(2024, 5, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    short = replace(content, scores=(), data=data_sections())
    assert "2024-04-30 23:30 UTC" in draw(replace(short, created=moment), store)
    plain = moment.replace(tzinfo=None)
    assert "2024-05-01 01:30 UTC" in draw(replace(short, created=plain), store)


def test_four_scores_at_256_pixels_make_a_page_of_a_few_megabytes(tmp_path: Path):
    """Frames are reduced enough for the page to stay below 6 MB."""
    store = sample_store(tmp_path, side=256)
    assert len(draw(sample_content(store, side=256), store).encode()) < 6e6


def test_distances_between_sets_are_no_rows_of_pairs() -> None:
    """A single value, such as a distance, has no mean or range over pairs: it stands in a table of
    its own, and the table of pairs is as it would be without it."""
    pairs = [
        Measured(metric="ssim", title="SSIM", between=("real", "synthetic"), statistic=s, value=0.5)
        for s in ("mean", "sd", "min", "max")
    ]
    single = Measured(metric="kid/x", title="KID", between=("held-out", "synthetic"), value=0.1)
    assert by_metric([*pairs, single]) == by_metric(pairs)
    assert len(by_metric(pairs)) == 1
    assert by_metric([single]) == []
