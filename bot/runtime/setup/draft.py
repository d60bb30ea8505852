"""The settings as far as they are known: of the file, of the environment, and answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.errors import SettingsFault
from bot.settings import NetworkSettings, ReportSettings, Settings, SlackSettings, SmileIDSettings

_NAMES = tuple(str(each.alias) for each in Settings.model_fields.values())
PROXIES = ("HTTPS_PROXY", "NO_PROXY")
_NOT_ASKED = "not-asked-yet"


@dataclass(slots=True)
class Draft:
    """Values by the names of the settings. What the environment has of them is taken over into the file."""

    in_file: Mapping[str, str] = field(repr=False)
    environ: Mapping[str, str] = field(repr=False)
    values: dict[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Other programs read these in lower case too, and so do the settings.
        self.environ = {name: self.environ[name.lower()] for name in PROXIES if name.lower() in self.environ} | dict(
            self.environ
        )
        self.values = dict(self.in_file)
        for name in self.from_environment:
            self.put(name, self.get_from(self.environ, name))

    @property
    def from_environment(self) -> list[str]:
        return [name for name in _NAMES if name in self.environ or self.environ.get(f"{name}_FILE")]

    def get(self, name: str) -> str:
        """The value, also one that stands in a file of its own; empty where it is unset or that cannot be read."""
        return self.get_from(self.values, name)

    @staticmethod
    def get_from(values: Mapping[str, str], name: str) -> str:
        if name in values or not values.get(f"{name}_FILE"):
            return values.get(name, "")
        try:
            return Path(values[f"{name}_FILE"]).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            return ""

    def put(self, name: str, value: str) -> None:
        """Sets it, or with an empty text unsets it; a value that did not change stays where it stands."""
        if value == self.get(name):
            return
        self.values.pop(f"{name}_FILE", None)
        self.values[name] = value
        if not value:
            del self.values[name]

    @property
    def changes(self) -> dict[str, str | None]:
        """What the file does not say yet; None for what it shall not say any more."""
        gone = dict.fromkeys(self.in_file.keys() - self.values.keys())
        return gone | {name: value for name, value in self.values.items() if self.in_file.get(name) != value}

    def slack(self) -> SlackSettings:
        """For a trial of what was answered so far. Raises SettingsFault."""
        return SlackSettings.load(self._with("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET"))

    def smile_id(self) -> SmileIDSettings:
        return SmileIDSettings.load(self._with("SMILE_ID_PARTNER_ID", "SMILE_ID_API_KEY"))

    def network(self) -> NetworkSettings:
        """How to connect, while nothing else is known."""
        return NetworkSettings.load(self._with())

    def tables(self) -> ReportSettings:
        return ReportSettings.load(self._with("KYC_ENCRYPTION_KEYS"))

    def _with(self, *unasked: str) -> dict[str, str]:
        return dict.fromkeys(unasked, _NOT_ASKED) | {name: self.get(name) for name in _NAMES if self.get(name)}

    def faults(self) -> dict[str, str]:
        """What does not fit, by name, in the words of a start; what was not asked for yet counts as answered."""
        needed = ("SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET", "SMILE_ID_PARTNER_ID", "SMILE_ID_API_KEY")
        try:
            Settings.load({"KYC_REQUESTERS": "*"} | self._with(*needed, "KYC_ENCRYPTION_KEYS"))
        except SettingsFault as fault:
            return fault.lines
        return {}
