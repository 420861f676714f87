"""Settings of the API: read once at the entry point, from command line, environment, and a TOML file."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from wegewart.damage import DEFAULT_TAXONOMY
from wegewart.errors import SettingsInvalid

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Settings of one API process; the environment names them WEGEWART_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="WEGEWART_", frozen=True, extra="forbid")

    data_dir: Path = Field(
        default=Path("wegewart-data"), description="folder of the embedded store and the evidence images"
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="postgresql://… or sqlite:///…; without it the store is data_dir/wegewart.sqlite",
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/]+(/[^\s?#]*)?$",
        description="address under which people reach the dashboard; without it the one listened on",
    )
    trusted_proxies: str = Field(
        default="", description="addresses, comma separated, whose X-Forwarded-For and -Proto are believed"
    )
    session_hours: float = Field(default=12.0, gt=0, le=720, description="how long a login lasts")
    secure_cookies: bool | None = Field(
        default=None, description="send cookies over https only; unset: if public_url is https"
    )
    language: Literal["de", "en"] = Field(default="de", description="language of pages before a login")
    body_limit_bytes: int = Field(
        default=32 * MIB, ge=64 * 1024, description="largest body of observations, drives and other JSON"
    )
    evidence_limit_bytes: int = Field(default=8 * MIB, ge=64 * 1024, description="largest evidence image")
    request_threads: int = Field(
        default=16, ge=2, le=200, description="requests worked on at the same time, and store connections"
    )
    login_failures: int = Field(
        default=10, ge=3, le=1000, description="failed logins per account, and five times as many per address"
    )
    login_window_minutes: float = Field(
        default=15.0, gt=0, le=1440, description="time after which a failed login is forgotten"
    )
    taxonomy: str = Field(default=DEFAULT_TAXONOMY, description="id of the damage taxonomy")
    severity_limits: Path | None = Field(
        default=None, description="TOML file with the city's limits of severity; without it the shipped ones"
    )
    condition_limits: Path | None = Field(
        default=None,
        description="TOML file with the city's limits of condition values; without it the shipped ones",
    )

    @field_validator("public_url")
    @classmethod
    def _without_trailing_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url else url

    @classmethod
    def load(cls, config: Path | None = None, **overrides: object) -> "Settings":
        """Settings from what was given, then the environment, then the file; the first that names one wins.

        Args:
            overrides: Values of the command line; those that are None were not given.
        Raises:
            SettingsInvalid: If the file cannot be read, or a value is unknown or out of range.
        """
        if config is not None and not config.is_file():
            raise SettingsInvalid(f"{config}: no such file")
        given: dict[str, Any] = {name: setting for name, setting in overrides.items() if setting is not None}

        class WithFile(Settings):
            @classmethod
            def settings_customise_sources(
                cls,
                settings_cls: type[BaseSettings],
                init_settings: PydanticBaseSettingsSource,
                env_settings: PydanticBaseSettingsSource,
                dotenv_settings: PydanticBaseSettingsSource,
                file_secret_settings: PydanticBaseSettingsSource,
            ) -> tuple[PydanticBaseSettingsSource, ...]:
                file = (TomlConfigSettingsSource(settings_cls, toml_file=config),) if config else ()
                return init_settings, env_settings, *file

        try:
            found = WithFile(**given)
        except (ValidationError, SettingsError, ValueError) as error:
            raise SettingsInvalid(_explained(error)) from error
        return Settings.model_construct(_fields_set=found.model_fields_set, **dict(found))

    @property
    def store_url(self) -> str:
        """Where the store is, as a SQLAlchemy URL; it may hold a password: never log it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'wegewart.sqlite'}"

    @property
    def evidence_dir(self) -> Path:
        """Folder of the evidence images."""
        return self.data_dir / "evidence"

    @property
    def cookies_are_secure(self) -> bool:
        """Whether cookies carry Secure."""
        if self.secure_cookies is not None:
            return self.secure_cookies
        return bool(self.public_url and self.public_url.startswith("https://"))


def _explained(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"settings: {error}"
    wrong = "; ".join(
        f"{'.'.join(str(part) for part in mistake['loc'])}: {mistake['msg']}" for mistake in error.errors()
    )
    return f"settings: {wrong} (docs/settings-api.md lists them all)"
