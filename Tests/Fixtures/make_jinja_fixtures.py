"""What jinja2 makes of the snippets in Tests/Fixtures/jinja, in the environment that transformers gives to chat templates.

Run: python3 Tests/Fixtures/make_jinja_fixtures.py          (transformers 5.23, jinja2 3.1.6)
Reads each file's variables and sources, and writes `expected`, or `error` and `kind`, anew. To add a snippet, add its source.
"""
import copy
import datetime
import json
import pathlib

import transformers.utils.chat_template_utils as utils


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 5, 9, 7, 3)


def main():
    utils.datetime = Clock
    for path in sorted((pathlib.Path(__file__).parent / "jinja").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        cases = []
        for case in document["cases"]:
            result = {"source": case["source"]}
            try:
                template = utils._cached_compile_jinja_template(case["source"])
                result["expected"] = template.render(**copy.deepcopy(document["variables"]))
            except Exception as error:
                result["error"] = str(error)
                result["kind"] = type(error).__name__
            cases.append(result)
        document["cases"] = cases
        path.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        print(path.name, len(cases))


if __name__ == "__main__":
    main()
