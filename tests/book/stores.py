"""Places for books on either kind of store, and copies of a book."""

import shutil
from pathlib import Path
from uuid import uuid4


class Store:
    """One kind of store: makes empty places for books, and copies of a book."""

    def __init__(self, folder: Path, server: str = "") -> None:
        self.folder, self.server = folder, server
        self.made: list[str] = []

    def place(self, template: str = "") -> str:
        """The URL of a new place, empty or a copy of the book at the URL given."""
        name = f"book_{uuid4().hex[:12]}"
        if not self.server:
            path = self.folder / f"{name}.db"
            if template:
                shutil.copyfile(template.removeprefix("sqlite:///"), path)
            return f"sqlite:///{path}"
        source = template.rsplit("/", 1)[1] if template else "template0"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{source}"')
        self.made.append(name)
        return self.server.rsplit("/", 1)[0] + f"/{name}"

    def drop(self) -> None:
        """Remove the databases that were made on the server."""
        for name in self.made:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        self.made.clear()

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)
