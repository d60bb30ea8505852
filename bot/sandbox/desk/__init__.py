"""What stands beside the workspace: what Smile ID answers next, what can break, what goes on underneath, files to drop.

`panel` is the panel itself and its addresses; `stories`, `breaking` (with the table in `breakages`), `traffic`,
`stored`, `masking` and `dropping` are what stands on it; `demo` is what it asks of the demo around it.
"""

from bot.sandbox.desk.demo import Bot, Demo
from bot.sandbox.desk.panel import DeskPanel

__all__ = ["Bot", "Demo", "DeskPanel"]
