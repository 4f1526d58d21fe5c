"""Fetches the page whose address is on standard input. Writes an envelope with its address and title for the queue `found`,
and one for the queue `page` for each page of the same site that it links to."""
import json
import os
import sys
import urllib.error
import urllib.request
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.title, self.links, self.is_in_title = "", [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.is_in_title = tag == "title"
        if tag == "a":
            self.links.append(dict(attributes).get("href") or "")

    def handle_data(self, text):
        if self.is_in_title:
            self.title += text

    def handle_endtag(self, tag):
        self.is_in_title = False


def put(queue, **item):
    print(json.dumps({"queue": queue, **item}))


address = sys.stdin.readline().strip()
try:
    with urllib.request.urlopen(address, timeout=20) as answer:
        page = Page(answer.read().decode())
except urllib.error.HTTPError as error:
    print(f"{address}: {error}", file=sys.stderr)
    # What is not there will not be there the next time: 65 is a dead letter at once. Anything else is tried again.
    sys.exit(65 if error.code in (404, 410) else 1)

for link in page.links:
    target = urldefrag(urljoin(address, link)).url
    if target.startswith(os.environ["SITE"]):
        put("page", key=target, body=target)
put("found", body=f"{address}\t{' '.join(page.title.split())}")
