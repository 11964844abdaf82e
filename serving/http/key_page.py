"""The page at `/` of a service that asks for API keys, as anybody may see it: a field for a key, and nothing else.

With the key that is typed in, its script fetches the product's page and shows that in its place. The key stays in the
page's memory: it is in no address, cookie or storage, and gone when the page is left.
"""

import base64
import hashlib

from serving.http.app import HttpAnswer

_SCRIPT = """
document.forms[0].addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = document.querySelector("output");
  const authorization = "Bearer " + event.target.elements.key.value.trim();
  try {
    const answer = await fetch("", { headers: { authorization }, cache: "no-store", credentials: "omit" });
    if (!answer.ok) { told.textContent = (await answer.json()).message; return; }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = page.title;
    document.head.append(...page.head.querySelectorAll("style"));
    document.body.replaceWith(page.body);
  } catch (problem) { told.textContent = "no answer: " + problem.message; }
});
"""
_DIGEST = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
input, button { font: inherit; padding: .3rem .6rem } input { width: 30rem; max-width: 100% }
"""
_PAGE = f"""<!doctype html><html lang="en">
<head><meta charset="utf-8"><title>API key</title><style>{_STYLE}</style></head>
<body><h1>This service asks for an API key</h1>
<form method="dialog"><label>API key <input name="key" type="password" autocomplete="off" required autofocus></label>
<button>Show the page</button></form><p><output></output></p>
<p>The key is kept in this page's memory only. Programs send it as <code>Authorization: Bearer KEY</code>.</p>
<script>{_SCRIPT}</script></body></html>"""
_POLICY = (
    f"default-src 'none'; script-src 'sha256-{_DIGEST}'; connect-src 'self'; style-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)


def key_page() -> HttpAnswer:
    """Return the page; it tells nothing of the product, its model or its entities."""
    return HttpAnswer(_PAGE.encode(), headers=_HEADERS, media_type=b"text/html; charset=utf-8")
