"""Settings: every option of the server, and the only reader of its environment.

The names of the first four come from the documented service; all others start with `SCENARIST_`.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from workers_sdk.protocol.keys import SLOTS


class Settings(BaseSettings):
    """Options of API and orchestrator, from the environment or a file `.env` in the working folder.

    Raises:
        pydantic.ValidationError: a value is not of its kind or out of its range.
    """

    model_config = SettingsConfigDict(
        env_prefix="SCENARIST_", env_file=".env", extra="ignore", populate_by_name=True, frozen=True
    )

    redis_url: str = Field(
        default="redis://localhost:6379",
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        pattern=r"^(redis|rediss|unix)://",
        repr=False,
        description="Redis or Valkey: redis://, rediss:// or unix://. May hold a password, so it is never printed.",
    )
    redis_wait_s: float = Field(
        default=60.0,
        ge=0,
        le=86_400,
        description="Seconds that a start waits for a Redis that does not answer (yet); 0: not at all.",
    )
    host: str = Field(
        default="127.0.0.1",
        validation_alias=AliasChoices("HOST", "host"),
        description="Address that the API listens on.",
    )
    port: int = Field(
        default=8001,
        ge=0,
        le=65_535,
        validation_alias=AliasChoices("PORT", "port"),
        description="TCP port of the API; 0 takes a free one.",
    )
    debug: bool = Field(
        default=False,
        validation_alias=AliasChoices("DEBUG", "debug"),
        description="Developer mode: log level debug, interactive pages at /docs and /redoc.",
    )

    artifacts: str = Field(
        default="./.scenarist/artifacts",
        min_length=1,
        description="Root of the artifact store: a folder, file://, s3://bucket/prefix or memory://.",
    )
    templates: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        description="Folders with more templates, separated like PATH; they take the place of a pack's of the same name.",
    )
    strict_templates: bool = Field(default=False, description="Treat warnings about a template as errors.")
    max_tasks: int = Field(default=10_000, ge=1, le=1_000_000, description="Most tasks of one scenario.")

    partitions: int = Field(
        default=1,
        ge=1,
        le=SLOTS,
        description="Partitions of the keys; recorded at first start, fixed afterwards.",
    )
    lease_ms: int = Field(
        default=15_000,
        ge=100,
        le=3_600_000,
        description="Milliseconds without renewal until a task counts as lost.",
    )
    http_lease_ms: int = Field(
        default=300_000,
        ge=100,
        le=86_400_000,
        description="The same for a task that is worked on over HTTP, whose only sign of life is its PATCH.",
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        le=100,
        description="Times that a task is handed out before it fails as `worker_lost`.",
    )
    retention_s: int = Field(
        default=604_800, ge=1, le=315_360_000, description="Seconds that a finished scenario is kept."
    )
    retention_success_s: int | None = Field(
        default=None,
        ge=1,
        le=315_360_000,
        description="The same for scenarios that succeeded; unset: as above.",
    )
    retention_failed_s: int | None = Field(
        default=None, ge=1, le=315_360_000, description="The same for scenarios that failed; unset: as above."
    )
    retention_cancelled_s: int | None = Field(
        default=None,
        ge=1,
        le=315_360_000,
        description="The same for scenarios that were cancelled; unset: as above.",
    )
    durability: str = Field(
        default="memory",
        pattern=r"^(memory|fsync|replicated\([1-9][0-9]?\))$",
        description="What an accepted scenario survives unless the request says it: memory, fsync or replicated(n).",
    )
    durability_timeout_ms: int = Field(
        default=2_000,
        ge=10,
        le=60_000,
        description="Milliseconds to wait for that; the answer says what was reached.",
    )
    admission_memory: float = Field(
        default=0.85,
        ge=0,
        le=1,
        description="Share of Redis' maxmemory beyond which new scenarios are refused; 0: never by that.",
    )
    max_unfinished: int = Field(
        default=100_000,
        ge=0,
        le=100_000_000,
        description="New scenarios are refused while so many wait or run; 0: never by that.",
    )
    max_unfinished_of_tenant: int = Field(
        default=0, ge=0, le=100_000_000, description="The same within a tenant; 0: never by that."
    )
    unsafe_volatile: bool = Field(
        default=False,
        description="Start even though the server does not write to disk: a restart of it loses all.",
    )

    max_body_bytes: int = Field(
        default=1_048_576, ge=1_024, le=67_108_864, description="Largest request body, in bytes."
    )
    body_timeout_s: float = Field(
        default=10.0, ge=0.05, le=300, description="Seconds within which a request body must have arrived."
    )

    batch_max_lines: int = Field(default=10_000, ge=1, le=1_000_000, description="Most lines of a batch.")
    batch_max_bytes: int = Field(
        default=67_108_864, ge=1_024, le=17_179_869_184, description="Largest batch, in bytes."
    )
    batch_timeout_s: float = Field(
        default=600.0, ge=0.05, le=86_400, description="Seconds within which a batch must have been taken in."
    )

    webhooks_allow_http: bool = Field(
        default=False,
        description="Take endpoints of webhooks at http:// too, where anybody on the way can read.",
    )
    webhooks_allow_private: bool = Field(
        default=False,
        description="Send webhooks to addresses that are not public: only where all who may register one are trusted.",
    )
    webhooks_timeout_s: float = Field(
        default=15.0, ge=0.1, le=60, description="Seconds within which an endpoint must have answered."
    )
    webhooks_retention_s: int = Field(
        default=259_200, ge=60, le=31_536_000, description="Seconds that a delivery is kept that is done."
    )
    webhooks_max_waiting: int = Field(
        default=10_000,
        ge=0,
        le=10_000_000,
        description="Deliveries that may wait for one endpoint; what comes while there are as many is dropped and counted. "
        "0: any number.",
    )

    gate_secret: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Signs links to gates, the same for all replicas; unset: one is made and kept in Redis.",
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line that is written."
    )
    log_json: bool | None = Field(
        default=None,
        description="JSON lines (true) or coloured text (false); unset: text on a terminal only.",
    )

    @field_validator("templates", mode="before")
    @classmethod
    def _folders(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(os.pathsep) if part)
        return value
