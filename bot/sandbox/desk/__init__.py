"""What stands beside the workspace: what Smile ID answers next, what can break, what goes on underneath, files to drop,
and a person to erase.

`panel` is the panel itself and its addresses; `stories`, `breaking` (with the table in `breakages`), `erasing` (with
`traces`, what is found before and after), `traffic`, `stored`, `masking` and `dropping` are what stands on it; `demo`
is what it asks of the demo around it.
"""

from bot.sandbox.desk.demo import Bot, Demo, Ran
from bot.sandbox.desk.panel import DeskPanel

__all__ = ["Bot", "Demo", "DeskPanel", "Ran"]
