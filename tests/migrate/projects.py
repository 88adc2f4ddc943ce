"""An Alembic project as `alembic init` makes it, for revisions that `rlsguard migrate` writes."""

from __future__ import annotations

import io
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from click.testing import CliRunner, Result

from rlsguard.cli import rlsguard
from rlsguard.server import SUPERUSER
from servers import Database


class Project:
    """A project in *folder* for the database *db*."""

    def __init__(self, folder: Path, db: Database, *, driver: str = "psycopg", user: str = SUPERUSER) -> None:
        self.db = db
        self.folder = folder
        self.ini = folder / "alembic.ini"
        self.map = folder / "map.yaml"
        self.versions = folder / "migrations" / "versions"
        self.user = user
        config = Config(str(self.ini), stdout=io.StringIO())
        command.init(config, str(folder / "migrations"))
        info = db.conn.info
        url = f"postgresql+{driver}://{user}@/{info.dbname}?host={info.host}&port={info.port}"
        self.edit("alembic.ini", "sqlalchemy.url = driver://user:pass@localhost/dbname", f"sqlalchemy.url = {url}")

    @property
    def config(self) -> Config:
        """Alembic's view of it, read anew."""
        return Config(str(self.ini), stdout=io.StringIO())

    @property
    def script(self) -> ScriptDirectory:
        """Its revisions."""
        return ScriptDirectory.from_config(self.config)

    def edit(self, name: str, before: str, after: str) -> None:
        """Replace *before*, which must be there, in the file *name*."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert before in text
        (self.folder / name).write_text(text.replace(before, after), encoding="utf-8")

    def migrate(self, text: str, *options: str) -> Result:
        """Run `rlsguard migrate` with the map written in *text*."""
        self.map.write_text(text, encoding="utf-8")
        arguments = ["migrate", self.map, "--dsn", self.db.dsn(self.user), "--alembic", self.ini, *options]
        return CliRunner().invoke(rlsguard, [*map(str, arguments)])

    def revise(self, text: str, *options: str) -> list[Script]:
        """Do so, and return the revisions that were written."""
        before = {each.revision for each in self.script.walk_revisions()}
        result = self.migrate(text, *options)
        assert result.exit_code == 0, result.output
        return [each for each in self.script.walk_revisions() if each.revision not in before][::-1]

    def own(self, message: str, up: str = "pass", **options: str) -> str:
        """Add a revision of the project's own and return its name."""
        script = command.revision(self.config, message, **options)
        assert isinstance(script, Script)
        path = Path(script.path)
        path.write_text(path.read_text("utf-8").replace("pass", up, 1), encoding="utf-8")
        return script.revision

    def upgrade(self, to: str = "head") -> None:
        """Run `alembic upgrade`."""
        command.upgrade(self.config, to)

    def downgrade(self, to: str) -> None:
        """Run `alembic downgrade`."""
        command.downgrade(self.config, to)

    def offline(self, what: str, to: str) -> str:
        """Return what `alembic upgrade --sql` or `alembic downgrade --sql` prints."""
        config = self.config
        config.output_buffer = io.StringIO()
        getattr(command, what)(config, to, sql=True)
        return config.output_buffer.getvalue()
