"""Reports in a real browser: that they show what they should, in light and dark, wide and narrow, with nothing loaded.

    python Tests/Interop/check_report.py --bin .build/release [--pictures DIR]

Needs Chromium or Chrome, which it drives over a pipe; where there is none it is skipped, with the reason. `--pictures`
keeps what was seen as PNG. Exit status 1 where a check fails.
"""
import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "chrome"]
# What each section must hold, by selectors, with the least number of each.
PARTS = {
    "header h1": 1, ".tile": 5, ".verdict.good": 1, "#sizes svg.bar rect": 2, "#sizes .plot rect": 4, "#error table.heat td[class^=heat-]": 16,
    "#values figure svg": 8, "#values .plot rect": 16, "#origin ol.steps li": 1, "#files tbody tr": 3, "#tensors tbody tr": 39,
}
# Asked of the page itself: counts, and what would be wrong in any browser.
SURVEY = """(parts => ({
    counts: Object.fromEntries(parts.map(part => [part, document.querySelectorAll(part).length])),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    invisible: [...document.querySelectorAll('rect')].filter(mark => {
        const box = mark.getBoundingClientRect(), style = getComputedStyle(mark);
        return box.width <= 0 || box.height <= 0 || ['none', 'rgb(0, 0, 0)'].includes(style.fill);
    }).length,
    uncoloured: [...document.querySelectorAll('[class^=heat-],.swatch')].filter(cell =>
        getComputedStyle(cell).backgroundColor === 'rgba(0, 0, 0, 0)').length,
    outside: [...document.querySelectorAll('.plot text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.width > 0 && (box.left < 0 || box.right > innerWidth);
    }).length,
    background: getComputedStyle(document.body).backgroundColor,
    resources: performance.getEntriesByType('resource').length,
}))(PARTS)"""


class Failed(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failed(message)


class Browser:
    """A headless browser with one page; its protocol is JSON ended by a zero byte."""

    def __init__(self, program, folder):
        to_browser, ours = os.pipe()
        theirs, from_browser = os.pipe()
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe",
            f"--user-data-dir={folder}",
        ]

        def connect():
            os.dup2(to_browser, 3)
            os.dup2(from_browser, 4)

        self.process = subprocess.Popen(
            command, pass_fds=(3, 4, to_browser, from_browser), preexec_fn=connect, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.output, self.input = os.fdopen(ours, "wb"), os.fdopen(theirs, "rb")
        self.pending, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Log", "Runtime"]:
            self.call(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()

    def receive(self):
        while b"\0" not in self.pending:
            data = self.input.read1(1 << 16)
            expect(data, "the browser has ended")
            self.pending += data
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.output.write(json.dumps(message).encode() + b"\0")
        self.output.flush()
        while True:
            answer = self.receive()
            if answer.get("id") == self.number:
                expect("error" not in answer, f"{method}: {answer.get('error')}")
                return answer["result"]
            self.events.append(answer)

    def show(self, path, width, is_dark):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}])
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def survey(self):
        result = self.call("Runtime.evaluate", expression=SURVEY.replace("PARTS", json.dumps(list(PARTS))), returnByValue=True)
        expect("exceptionDetails" not in result, result)
        return result["result"]["value"]

    def picture(self):
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"])


def check(browser, page, pictures):
    backgrounds = set()
    for width in [1280, 390]:
        for theme in ["light", "dark"]:
            place = f"{page.stem}, {width} px, {theme}"
            browser.show(page, width, theme == "dark")
            seen = browser.survey()
            for part, least in PARTS.items():
                expect(seen["counts"][part] >= least, f"{place}: {seen['counts'][part]} of '{part}', at least {least} expected")
            for what in ["overflow", "invisible", "uncoloured", "outside", "resources"]:
                expect(seen[what] == 0, f"{place}: {what} is {seen[what]}")
            complaints = [event["params"] for event in browser.events if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
            expect(not complaints, f"{place}: {complaints}")
            backgrounds.add((theme, seen["background"]))
            if pictures:
                (pictures / f"{page.stem}-{width}-{theme}.png").write_bytes(browser.picture())
    expect(len(backgrounds) == 2 and len({colour for _, colour in backgrounds}) == 2, f"{page.stem}: backgrounds {backgrounds}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", required=True, type=Path, help="folder of the tools")
    parser.add_argument("--pictures", type=Path, help="folder for PNG files")
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not program:
        print(f"skip  reports in a browser: none of {', '.join(BROWSERS)} is installed")
        return 0
    if arguments.pictures:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        browser = Browser(program, folder / "profile")
        try:
            for sample in ["llama-hf", "gpt2-tensorflow"]:
                model, page = folder / f"{sample}.qnf", folder / f"{sample}.html"
                subprocess.run([arguments.bin / "qconvert", "to-nf4", SAMPLES / sample, "-o", model, "--quiet"], check=True, stdout=subprocess.DEVNULL)
                subprocess.run(
                    [arguments.bin / "qinspect", "report", model, SAMPLES / sample, "-o", page, "--quiet"], check=True, stdout=subprocess.DEVNULL)
                check(browser, page, arguments.pictures)
                print(f"ok    report of {sample} in {Path(program).name}")
        except Failed as failure:
            print(f"FAIL  {failure}")
            return 1
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
