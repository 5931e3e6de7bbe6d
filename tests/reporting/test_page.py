"""The page as a whole."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from sample_content import CODES, EXAMS, sample_content

from lusgan_core.domain import Rejection
from lusgan_core.reporting.content import DataSummary, Evaluation, PatientNames, ScoreReport
from lusgan_core.reporting.page import LARGEST_GIF, render_report

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
def html() -> str:
    return render_report(sample_content())


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_every_section_is_there(page):
    """A full run's page shows data, samples, training, evaluation, options and provenance."""
    headings = [
        "Data", "Score distribution", "Rejected clips", "Score 0", "Score 3", "Samples",
        "Training progress", "Losses and learning rates", "Similarity", "Collapse",
        "Nearest pairs", "Options", "All options", "Provenance", "Make it again", "Notes",
    ]  # fmt: skip
    missing = [h for h in headings if h not in page.words]
    assert missing == []
    for words in ("47,700", "192,000", "3 infinite", "0.6470", "1 warning", "No model",
                  "training.lr_generator", "Images are scaled to -1..1", "2.14.0", "3,217 MB",
                  "lusgan run --exams s3://exams/wave-1", "2024-05-01 13:45 UTC"):  # fmt: skip
        assert words in page.text


def test_the_page_fetches_nothing(html, page):
    """Every reference is a data URI or an anchor, styles load nothing, and there is no script."""
    for name in FETCHING:
        assert [v for v in page.attributes(name) if not v.startswith(("data:", "#"))] == []
    assert not re.search(r"url\(|@import|<script|<iframe|<object|\son\w+=", html)


def test_ids_are_unique_and_anchors_lead_somewhere(page):
    """No id occurs twice, and each link within the page has its target."""
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert {h[1:] for h in page.attributes("href") if h.startswith("#")} <= set(ids)


def test_the_page_can_be_read_without_seeing_it(page):
    """Images have alternative texts, charts are labelled, and headings skip no level."""
    assert all("alt" in attrs for tag, attrs in page.tags if tag == "img")
    charts = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert all("aria-label" in attrs or "aria-hidden" in attrs for attrs in charts)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_foreign_text_is_shown_and_never_interpreted(page):
    """Markup, escape sequences and direction marks of a rejected clip's reason are plain text."""
    assert "declared,\\n<b>41</b> found\\x1b[31m \\u202egnp.exe" in page.text
    assert "b" not in {tag for tag, _ in page.tags}


def test_hostile_names_cannot_break_out():
    """Quotes and tags in every kind of outside text leave the page balanced and free of them."""
    nasty = "\"'><img src=x onerror=alert(1)></style></code>{{ 7*7 }}\udc80"
    content = sample_content()
    data = replace(content.data, source=nasty, rejected=(Rejection(file=nasty, reason=nasty),))
    hostile = replace(
        content, title=nasty, preset=nasty, data=data, notes=(nasty,), deviations=(nasty,),
        scores=(ScoreReport(0, failure=nasty, warnings=(nasty,),
                            evaluation=Evaluation(0, 0, absent={nasty: nasty}, engine=nasty)),),
        options=(replace(content.options[0], name=nasty, value=nasty, description=nasty),),
        provenance=replace(content.provenance, command=nasty, device=nasty,
                           digests={nasty: nasty}, libraries={nasty: nasty}),
    )  # fmt: skip
    html = render_report(hostile)
    html.encode("utf-8")
    page = Page(html)
    assert "onerror" not in {name for _, attrs in page.tags for name in attrs}
    assert "49" not in re.findall(r"\d+", page.text)


def without_pixels(html: str) -> str:
    """The page less its images and coordinates, in which any digits may occur by chance."""
    return re.sub(r'data:image/[^"]+|points="[^"]+"', "", html)


def test_no_code_of_a_patient_or_an_exam_is_in_the_page():
    """Wherever codes went in (counts, pairs, files, reasons, command), none comes out."""
    content = sample_content()
    told = f"patient {CODES[0]}: convex_1102_1302_3.mat of exam 1302 in /data/1203/1303/"
    score = replace(content.scores[0], warnings=(told,))
    made = replace(content.provenance, command=f"lusgan run --exams /x/{CODES[0]}",
                   digests={f"shards/{CODES[1]}/1302/convex_{CODES[1]}_1302_3": "ab"})  # fmt: skip
    content = replace(
        content, scores=(score, ScoreReport(1, failure=told)), provenance=made, notes=(told,),
        title=f"Only {CODES[2]}",
    )  # fmt: skip
    html = without_pixels(render_report(content))
    codes = {*CODES, "1999", "1390"} | {exam for exams in EXAMS.values() for exam in exams}
    assert [code for code in codes if code in html] == []
    assert "patient A: B/exam 1/area 3" in html


def test_codes_are_in_the_page_when_asked_for():
    """With show_codes the same page names patients by code."""
    html = without_pixels(render_report(sample_content(show_codes=True)))
    assert all(code in html for code in CODES)
    assert "1999/1390/convex_1999_1390_3.mat" in html


def test_a_run_that_made_nothing_still_has_a_page():
    """No exam usable, no model, no options, no provenance: the page says so and is well formed."""
    content = sample_content()
    empty = replace(
        content,
        data=DataSummary(0, 0, {}),
        scores=(ScoreReport(0), ScoreReport(1, failure="no labelled frames")),
        options=(), deviations=(), notes=(), patients=PatientNames([]),
        provenance=replace(content.provenance, timings_s={}, digests={}, peak_rss_mb=0.0),
    )  # fmt: skip
    page = Page(render_report(empty))
    for words in ("No clip was rejected", "No patient is held out", "no labelled frames",
                  "This score was not trained", "were not evaluated"):  # fmt: skip
        assert words in page.text


def test_missing_pieces_of_an_evaluation_are_said():
    """An absent metric has its reason; without held-out frames distances are not told apart."""
    content = sample_content()
    score = content.scores[0]
    told = score.evaluation
    distances = replace(told.nearest_distances, held_out=np.array([]))
    collapse = replace(told.collapse, real=np.zeros(100, np.int64))
    lacking = replace(told, nearest_distances=distances, collapse=collapse)
    page = Page(render_report(replace(content, scores=(replace(score, evaluation=lacking),))))
    assert "MS-SSIM is absent: needs 176 pixels a side, the frames have 64" in page.text
    assert "cannot be told apart" in page.text
    assert "no real frames of two different clips" in page.text


def test_infinite_and_undefined_values_are_written_as_signs():
    """A table of ∞ and NaN shows ∞ and –, never inf or nan."""
    content = sample_content()
    score = content.scores[0]
    table = replace(score.evaluation.table_one, values=(float("inf"), float("nan")),
                    average=float("nan"))  # fmt: skip
    odd = replace(score.evaluation, table_one=table)
    text = Page(render_report(replace(content, scores=(replace(score, evaluation=odd),)))).text
    assert re.search(r"\bSSIM ∞ – –", text)
    assert not re.search(r"\b(inf|nan)\b", text)


def test_the_share_nearer_to_training_patients_follows_the_direction_of_the_metric():
    """Of four frames, three match a training patient better if higher is better, else one."""
    content = sample_content()
    score = content.scores[0]
    distances = replace(score.evaluation.nearest_distances, training=np.array([0.9, 0.8, 0.7, 0.1]),
                        held_out=np.full(4, 0.5))  # fmt: skip
    for better, share in (("higher", "75%"), ("lower", "25%")):
        metric = replace(score.evaluation.nearest_metric, better=better)
        told = replace(score.evaluation, nearest_metric=metric, nearest_distances=distances)
        page = Page(render_report(replace(content, scores=(replace(score, evaluation=told),))))
        assert f"{share} of the synthetic frames are nearer to a training patient" in page.text


def test_a_huge_animation_is_left_out_and_said():
    """A GIF over the limit is not in the page; the page tells where it is."""
    content = sample_content()
    score = content.scores[0]
    training = replace(score.training, gif=b"GIF89a" + bytes(LARGEST_GIF))
    html = render_report(replace(content, scores=(replace(score, training=training),)))
    assert "data:image/gif" not in html
    assert "too large for this page" in html


def test_the_date_is_in_utc():
    """A moment with another time zone is converted."""
    moment = datetime(2024, 5, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert "2024-04-30 23:30 UTC" in render_report(replace(sample_content(), created=moment))


def test_four_scores_at_256_pixels_make_a_page_of_a_few_megabytes():
    """Frames are reduced enough for the page to stay below 6 MB."""
    assert len(render_report(sample_content(side=256)).encode()) < 6e6
