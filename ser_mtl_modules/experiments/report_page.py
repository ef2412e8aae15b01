"""A report as one HTML page that needs no other file."""

import base64
import html
import io

from ser_mtl_modules.experiments.report import DETAILS, LEGEND, details, scores
from ser_mtl_modules.training.figures import plot_confusion

STYLE = """
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 75em;
       padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { padding: .3em .8em; border-bottom: 1px solid #ddd;
         text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
.wide { overflow-x: auto; }
figure { display: inline-block; margin: 0 1em 1em 0; }
img { max-width: 34em; }
"""


def as_html(content):
    """A report with its tables, and a confusion matrix for each method.

    Arguments
    ---------
    content : dict
        Of `report_on`.

    Returns
    -------
    str
    """
    speakers = {
        "method": [row["method"] for row in content["rows"]],
        **_by_speaker(content["rows"]),
    }
    notes = "".join(f"<li>{html.escape(n)}</li>" for n in content["notes"])
    pictures = "".join(_picture(row) for row in content["rows"])
    title = html.escape(content["card"])
    return (
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8">'
        f"<title>{title}</title><style>{STYLE}</style>"
        f"<h1>{title}</h1>{_table(scores(content))}<p>{LEGEND}</p>"
        f"<ul>{notes}</ul>"
        f"<h2>Classes and genders</h2><p>{DETAILS}</p>"
        f"{_table(details(content))}{pictures}"
        f"<h2>UA by speaker</h2>{_table(speakers)}</html>\n"
    )


def _by_speaker(rows):
    everyone = sorted({who for row in rows for who in row["by_speaker"]})
    return {
        who: [
            f"{100 * row['by_speaker'][who]:.1f}"
            if who in row["by_speaker"]
            else ""
            for row in rows
        ]
        for who in everyone
    }


def _table(columns):
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in cells) + "</tr>"
        for cells in zip(*columns.values())
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _picture(row):
    picture = io.BytesIO()
    plot_confusion(picture, row["confusion"], row["classes"], row["method"])
    data = base64.b64encode(picture.getvalue()).decode()
    words = html.escape(f"Confusion matrix of {row['method']}")
    return (
        f'<figure><img alt="{words}" src="data:image/png;base64,{data}">'
        "</figure>"
    )
