"""Fills in what Jinja2 makes of the templates in features.json.

    pip install jinja2==3.1.6 && python3 generate.py

The environment is the one of transformers' apply_chat_template. A case gets
"text", or "error" with the name of the exception. Cases marked "refused" are
those that this package does not support and must give an error for.
"""

import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.sandbox


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("content"), [], [], body).set_lineno(line)

    def content(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


env = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
env.filters["tojson"] = tojson
env.globals["raise_exception"] = raise_exception

path = pathlib.Path(__file__).parent / "features.json"
data = json.loads(path.read_text())
for case in data["cases"]:
    case.pop("text", None)
    case.pop("error", None)
    variables = {"bos_token": "<s>", "eos_token": "</s>", "tools": None, "documents": None}
    variables |= {"add_generation_prompt": True} | case.get("vars", {})
    try:
        case["text"] = env.from_string(case["template"]).render(
            messages=case.get("messages", data["messages"]), **variables)
    except Exception as e:
        case["error"] = f"{type(e).__name__}: {e}"
path.write_text(json.dumps(data, indent=1) + "\n")
print(len(data["cases"]), "cases,", sum("error" in c for c in data["cases"]), "errors")
