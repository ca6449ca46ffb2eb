"""Environment names that a definition may set, and jobenv.sh, which shells source."""

from __future__ import annotations

import re
from collections.abc import Mapping

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
# They steer the loader, the shell or an interpreter, or are what the installation sets itself.
FORBIDDEN_STARTS = (
    "LD_", "DYLD_", "BASH", "DOCKER_", "PYTHON", "PERL5", "RUBY", "GCONV_", "MALLOC_", "GLIBC_", "COMP_", "DIRSTACK",
    "EPOCH", "GIT_", "KUBE", "SUDO_",
)  # fmt: skip
FORBIDDEN_NAMES = """
_ ENV PATH IFS CDPATH PS1 PS2 PS3 PS4 PROMPT_COMMAND SHELL SHELLOPTS SHLVL GLOBIGNORE EXECIGNORE FIGNORE
HOME USER LOGNAME PWD OLDPWD UID EUID GID EGID PPID GROUPS HOSTNAME HOSTTYPE MACHTYPE OSTYPE LINENO RANDOM SRANDOM
SECONDS FUNCNAME FUNCNEST OPTARG OPTIND OPTERR HISTCMD HISTFILE HISTSIZE HISTFILESIZE HISTCONTROL HISTTIMEFORMAT
HISTIGNORE TIMEFORMAT TMOUT POSIXLY_CORRECT MAIL MAILPATH MAILCHECK REPLY COPROC MAPFILE READLINE_LINE
READLINE_POINT READLINE_MARK IGNOREEOF INPUTRC LOCPATH NLSPATH HOSTALIASES RESOLV_HOST_CONF RES_OPTIONS TZDIR
LOCALDOMAIN NODE_OPTIONS NODE_PATH JAVA_TOOL_OPTIONS _JAVA_OPTIONS CLASSPATH PERLLIB GEM_HOME GEM_PATH LUA_PATH
LUA_CPATH EDITOR VISUAL PAGER RESULTS_DIR JOB_NAME JOB_LABEL TERM TMPDIR
"""
FORBIDDEN = frozenset(FORBIDDEN_NAMES.split())


def name_fault(name: str) -> str:
    """Why a name can't be set in a job's environment, or an empty text."""
    if not IDENTIFIER.fullmatch(name):
        return "is not a name that a shell can set"
    if name.upper() in FORBIDDEN or name.upper().startswith(FORBIDDEN_STARTS):
        return "is a name that definitions may not set"
    return ""


def quoted(value: str) -> str:
    """A value in single quotes: every shell gives back exactly the text, blanks and newlines included."""
    return "'" + value.replace("'", "'\\''") + "'"


def job_environment(variables: Mapping[str, str]) -> str:
    """The text of jobenv.sh. Sourcing it with sh, dash or bash sets each name to exactly its value."""
    return "".join((":\n", *(f"{name}={quoted(value)}\n" for name, value in variables.items())))
