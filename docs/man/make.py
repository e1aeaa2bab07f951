"""Writes a manual page for each command from what the program itself says of its options, and puts those that are written
by hand beside them.

    make.py PROGRAM DIRECTORY
"""

import datetime
import json
import os
import re
import subprocess
import sys
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))

EXIT = [
    ("0", "Everything was done."),
    ("1", "Something failed, or was interrupted; a sentence on standard error says what, where, and what to do."),
    ("3", "Something is incomplete: objects that could not be fetched, damage that was found."),
    ("64", "The command line is wrong."),
]

SECTIONS = {
    "Keep a store": ["init", "sync", "status", "verify", "prune", "pack", "adopt", "reindex"],
    "Read": ["ls", "cat", "versions", "diff", "snapshots", "du", "find", "mount", "serve", "export"],
    "Elsewhere": ["push", "clone", "restore"],
}


def escaped(text):
    """Text as roff shows it, letter by letter."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    for sign, name in (("…", "..."), ("“", "\\(lq"), ("”", "\\(rq"), ("’", "'"), ("×", "\\(mu"), ("≥", "\\(>=")):
        text = text.replace(sign, name)
    return re.sub(r"^([.'])", r"\\&\1", text)


def word(text):
    """An argument of a macro."""
    text = escaped(text).replace('"', '""')
    # Names of macros, and punctuation that mdoc would take out of the argument.
    if re.fullmatch(r"[A-Z][a-z]{1,2}|[.,:;()\[\]?!|]", text):
        text = "\\&" + text
    return f'"{text}"' if re.search(r"\s", text) or not text else text


def paragraphs(text):
    lines = []
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            lines.append(".Pp")
        lines += sentences(paragraph)
    return lines


def sentences(text):
    """One sentence a line, as manual pages are written."""
    text = " ".join(text.split())
    lines = []
    for one in re.split(r"(?<=[\w')][.:?!]) +(?=\S)", text):
        lines += [escaped(line) for line in textwrap.wrap(one, 72, break_long_words=False, break_on_hyphens=False)]
    return lines


def flag(name):
    return {"long": "--", "longWithSingleDash": "-", "short": "-"}[name["kind"]] + name["name"]


def shown(argument):
    return argument.get("shouldDisplay", True)


def synopsis(command, arguments, path):
    lines = [f".Nm {' '.join(path)}"]
    for argument in arguments:
        if not shown(argument):
            continue
        value = argument.get("valueName", "value")
        if argument["kind"] == "positional":
            text = f"Ar {word(value)}"
        else:
            text = "Fl " + word(flag(argument["preferredName"])[1:])
            if argument["kind"] == "option":
                text += f" Ar {word(value)}"
        lines.append(f".Op {text}" if argument.get("isOptional") else f".{text}")
        if argument.get("isRepeating"):
            lines[-1] += " Ar ..."
    return lines


def options(arguments):
    items = [argument for argument in arguments if shown(argument)]
    if not items:
        return []
    lines = [".Bl -tag -width Ds"]
    for argument in items:
        value = argument.get("valueName", "value")
        if argument["kind"] == "positional":
            lines.append(f".It Ar {word(value)}")
        else:
            names = " , ".join("Fl " + word(flag(name)[1:]) for name in argument["names"])
            lines.append(f".It {names}" + (f" Ar {word(value)}" if argument["kind"] == "option" else ""))
        text = argument.get("abstract", "")
        lines += sentences(text) if text else ["No further description."]
        for extra in paragraphs(argument["discussion"]) if argument.get("discussion") else []:
            lines.append(extra)
        default = argument.get("defaultValue")
        if default and "efault" not in text:
            lines += sentences(f"Default: {default}.")
    return lines + [".El"]


def head(name, section, version, about):
    date = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH") or 0) or None
                                           or datetime.datetime.now().timestamp(), datetime.timezone.utc)
    return [
        '.\\" Made by docs/man/make.py of what the program says of itself.',
        f".Dd {date.strftime('%B')} {date.day}, {date.year}", f".Dt {name.upper()} {section}", ".Os",
        ".Sh NAME", f".Nm {name}", f".Nd {escaped(about[:1].lower() + about[1:].rstrip('.'))}"]


def exit_status():
    lines = [".Sh EXIT STATUS", ".Bl -tag -width 130"]
    for code, text in EXIT:
        lines += [f".It {code}"] + sentences(text)
    return lines + [".El"]


def command_page(command, version):
    name = f"icecore-{command['commandName']}"
    lines = head(name, 1, version, command.get("abstract", ""))
    arguments = command.get("arguments", [])
    lines += [".Sh SYNOPSIS"] + synopsis(command, arguments, ["icecore", command["commandName"]])
    lines += [".Sh DESCRIPTION"]
    lines += paragraphs(command.get("discussion") or command.get("abstract", ""))
    lines += [".Pp", "The arguments are as follows:"] + options(arguments)
    lines += exit_status()
    lines += [".Sh SEE ALSO", ".Xr icecore 1 ,", ".Xr icecore-store 5 ,", ".Xr icecore-semantics 7"]
    return name, lines


def main_page(root, version):
    lines = head("icecore", 1, version, root.get("abstract", ""))
    lines += [".Sh SYNOPSIS", ".Nm", ".Ar command", ".Op Ar options", ".Nm", ".Fl \\-version", ".Nm", ".Ar command", ".Fl \\-help"]
    lines += [".Sh DESCRIPTION"] + paragraphs(root.get("discussion") or root.get("abstract", ""))
    commands = {command["commandName"]: command for command in root["subcommands"] if command["commandName"] != "help"}
    known = [name for names in SECTIONS.values() for name in names]
    sections = dict(SECTIONS)
    rest = [name for name in commands if name not in known]
    if rest:
        sections["More"] = rest
    for title, names in sections.items():
        names = [name for name in names if name in commands]
        if not names:
            continue
        lines += [f".Ss {title}", ".Bl -tag -width icecore-snapshots"]
        for name in names:
            lines += [f".It Xr icecore-{name} 1"] + sentences(commands[name].get("abstract", ""))
        lines.append(".El")
    lines += [
        ".Sh ENVIRONMENT", ".Bl -tag -width Ds",
        ".It Ev ICECORE_STORE", "The store that commands use without", ".Fl \\-store .",
        ".It Ev AWS_ACCESS_KEY_ID , AWS_SECRET_ACCESS_KEY , AWS_SESSION_TOKEN , AWS_PROFILE , AWS_REGION",
        "Credentials and region, as the tools of AWS take them; so are the files in", ".Pa ~/.aws .", ".El"]
    lines += exit_status()
    see = [f"icecore-{name}" for name in sorted(commands)]
    lines += [".Sh SEE ALSO"] + [f".Xr {name} 1 ," for name in see] + [".Xr icecore-store 5 ,", ".Xr icecore-semantics 7"]
    return "icecore", lines


def main():
    program, directory = sys.argv[1:]
    said = subprocess.run([program, "--experimental-dump-help"], check=True, capture_output=True, text=True).stdout
    root = json.loads(said)["command"]
    version = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    pages = [main_page(root, version)]
    pages += [command_page(command, version) for command in root["subcommands"] if command["commandName"] != "help"]
    for name, lines in pages:
        os.makedirs(f"{directory}/man1", exist_ok=True)
        with open(f"{directory}/man1/{name}.1", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    for file in sorted(os.listdir(HERE)):
        section = file.rsplit(".", 1)[-1]
        if section in ("5", "7", "8"):
            os.makedirs(f"{directory}/man{section}", exist_ok=True)
            with open(f"{HERE}/{file}", encoding="utf-8") as source:
                text = source.read().replace("@VERSION@", version)
            with open(f"{directory}/man{section}/{file}", "w", encoding="utf-8") as target:
                target.write(text)


if __name__ == "__main__":
    main()
