"""The checklist of `corectl check-plugin`: what a plugin needs before strangers use it, each line with its reason."""

from core.checklist.checklist import check_plugin
from core.checklist.lines import Line, Verdict

__all__ = ["Line", "Verdict", "check_plugin"]
