"""Files into the warehouse: staged and checked first, then written in one transaction.

Every refusal names file, line and what would be legal. A row that is there already is skipped; a
row with the same key and other content is refused: rows are only added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.errors import Finding, InputError
from opensma.growth.csv_files import header_of, strict_source, unreadable
from opensma.growth.privacy import PERSONAL, email_key, lawful_sql, mask_sql
from opensma.growth.warehouse.checks import check_all
from opensma.growth.warehouse.firms import MARK, firms_of_domains, record_links
from opensma.growth.warehouse.mapping import Mapped, Rule, TableMapping
from opensma.growth.warehouse.schema import Kind, Table, table_named
from opensma.growth.warehouse.store import changed, first_row, one_transaction, quoted
from opensma.growth.warehouse.web import FILLED, classify_rows, rules_for_filled

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

_CENTS = r"^-?\d+(\.\d{1,2})?$"


@dataclass(frozen=True, slots=True)
class Staged:
    """One file's rows for one table, typed and checked, not yet in the warehouse."""

    table: Table
    name: str  # of the temporary table
    file: str
    masked: int
    links: Mapping[str, str]  # firms that were found by a domain (I5)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load added, table by table; rows that were there are counted apart."""

    mapping: str
    added: Mapping[str, int]
    known: Mapping[str, int]
    findings: Sequence[Finding] = field(default=())


def load_folder(
    connection: Connection, folder: Path, mapped: Mapped, secret: bytes | None
) -> Loaded:
    """Load the files of a folder through a mapping, all of them or nothing."""
    staged = stage(connection, folder, mapped, secret)
    added: dict[str, int] = {}
    known: dict[str, int] = {}
    with one_transaction(connection):
        for part in staged:
            new, old = _merge(connection, part)
            added[part.table.name] = added.get(part.table.name, 0) + new
            known[part.table.name] = known.get(part.table.name, 0) + old
        for part in staged:
            record_links(connection, part.links)
        check_all(connection)
        nobody = _without_basis(connection)
    return Loaded(mapped.name, added, known, tuple(_findings(staged, nobody)))


def stage(
    connection: Connection, folder: Path, mapped: Mapped, secret: bytes | None
) -> list[Staged]:
    """The files of a folder as checked temporary tables."""
    if not folder.is_dir():
        raise _wrong("folder_missing", "There is no such folder.", str(folder), "Name a folder.")
    staged: list[Staged] = []
    for number, part in enumerate(mapped.tables):
        path = _file(folder, part)
        if path is not None:
            table = table_named(part.table)
            assert table is not None
            firms = [s.name for s in staged if s.table.name == "firm"]  # tables of firms come first
            way = _Stage(connection, path, table, part, secret, number, firms)
            staged.append(way.run(mapped.plain))
    if not staged:
        wanted = ", ".join(sorted({f"{t.file}.csv" for t in mapped.tables}))
        message = f"None of the files of the mapping '{mapped.name}' is there."
        raise _wrong("nothing_to_load", message, str(folder), f"It reads {wanted}, or .parquet.")
    return staged


def _file(folder: Path, part: TableMapping) -> Path | None:
    for ending in ("csv", "parquet"):
        if (path := folder / f"{part.file}.{ending}").is_file():
            return path
    if part.optional:
        return None
    raise _wrong(
        "file_missing", f"The file {part.file}.csv or .parquet is missing.", str(folder),
        "Add it, or mark its table as optional in the mapping.",
    )  # fmt: skip


class _Stage:
    """The way of one file: read as text, mapped, checked, typed."""

    def __init__(
        self, connection: Connection, path: Path, table: Table, part: TableMapping,
        secret: bytes | None, number: int, firms: Sequence[str],
    ) -> None:  # fmt: skip
        self.connection, self.path, self.table, self.part = connection, path, table, part
        self.secret, self.raw, self.text = secret, f"raw_{number}", f"text_{number}"
        self.name, self.firms = f"staged_{number}", tuple(firms)
        self.links: dict[str, str] = {}

    def run(self, plain: bool) -> Staged:
        """All steps; the typed table has `_line` besides its columns."""
        columns = self._read()
        rules = self._plain_rules(columns) if plain else dict(self.part.rules)
        if self.part.classified is not None:
            for column in (self.part.classified.landing_url, self.part.classified.referrer):
                self._known(column, columns)
            classify_rows(self.connection, self.raw, self.part.classified)
            rules |= rules_for_filled()
            columns = [*columns, *FILLED.values()]
        self._map(rules, columns)
        for target, rule in rules.items():
            if rule.values is not None and rule.default is None:
                self._check_values(target, rule)
            if rule.transform == "email_hmac":
                self._hash(target)
            if rule.finds_firms:
                self._find_firms(target)
        self._check()
        masked = self._type(set(rules))
        return Staged(self.table, self.name, self.path.name, masked, self.links)

    def _read(self) -> list[str]:
        import duckdb

        parquet = self.path.suffix == ".parquet"
        reader = "read_parquet(?)" if parquet else strict_source(header_of(self.path))
        try:
            self.connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {self.raw} AS SELECT row_number() OVER () + 1 "
                f"AS _line, CAST(COLUMNS(*) AS VARCHAR) FROM {reader}",
                [str(self.path)],
            )
        except duckdb.Error as error:
            raise unreadable(error, self.path) from error
        rows = self.connection.execute(f"DESCRIBE {self.raw}").fetchall()
        return [str(row[0]) for row in rows if row[0] != "_line"]

    def _plain_rules(self, columns: Sequence[str]) -> dict[str, Rule]:
        if unknown := [c for c in columns if c not in self.table.names]:
            raise _wrong(
                "column_unknown", f"The column '{unknown[0]}' is not known.", self.path.name,
                f"{self.table.name} has {', '.join(self.table.names)}.",
            )  # fmt: skip
        return {column: Rule(column=column) for column in columns}

    def _map(self, rules: Mapping[str, Rule], columns: Sequence[str]) -> None:
        expressions = [f'{self._value(rule, columns)} AS "{t}"' for t, rule in rules.items()]
        expressions += [f'NULL AS "{n}"' for n in self.table.names if n not in rules]
        keep = ""
        if self.part.keep is not None:
            column = quoted(self._known(self.part.keep[0], columns))
            wanted = ", ".join(_literal(v) for v in self.part.keep[1])
            has = f"NULLIF(TRIM({column}), '') IS NOT NULL"
            keep = f"WHERE {has}" + ("" if wanted == "'*'" else f" AND {column} IN ({wanted})")
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {self.text} AS "
            f"SELECT _line, {', '.join(expressions)} FROM {self.raw} {keep}"
        )

    def _known(self, column: str, columns: Sequence[str]) -> str:
        if column in columns:
            return column
        raise _wrong(
            "column_missing", f"The file has no column '{column}'.", self.path.name,
            f"It has {', '.join(columns)}. Correct the file or the mapping.",
        )  # fmt: skip

    def _value(self, rule: Rule, columns: Sequence[str]) -> str:
        """A rule as an expression over the raw columns; text or NULL."""
        if rule.constant is not None:
            return _literal(rule.constant)
        if rule.row is not None:
            return f"{_literal(rule.row)} || CAST(_line - 1 AS VARCHAR)"
        if rule.template:
            return self._template(rule.template, columns)
        value = f"NULLIF(TRIM({quoted(self._known(rule.column, columns))}), '')"
        if rule.values is not None:
            cases = " ".join(
                f"WHEN {_literal(a)} THEN {_literal(b)}" for a, b in rule.values.items()
            )
            other = _literal(rule.default) if rule.default is not None else f"'?' || {value}"
            missing = _literal(rule.default) if rule.default is not None else "NULL"
            known = f"CASE {value} {cases} ELSE {other} END"
            value = f"CASE WHEN {value} IS NULL THEN {missing} ELSE {known} END"
        elif rule.default is not None:
            value = f"COALESCE({value}, {_literal(rule.default)})"
        value = _transformed(value, rule.transform)
        if rule.otherwise is not None:
            return f"COALESCE({value}, {self._value(rule.otherwise, columns)})"
        return value

    def _template(self, template: str, columns: Sequence[str]) -> str:
        pieces = []
        for index, piece in enumerate(template.replace("}", "{").split("{")):
            if index % 2:
                pieces.append(f"COALESCE({quoted(self._known(piece, columns))}, '')")
            elif piece:
                pieces.append(_literal(piece))
        return " || ".join(pieces)

    # --- checks ------------------------------------------------------------------------------

    def _first(
        self, column: str, condition: str, values: Sequence[str] = ()
    ) -> tuple[int, str] | None:
        row = first_row(
            self.connection,
            f"SELECT _line, {quoted(column)} FROM {self.text} WHERE {condition} "
            "ORDER BY _line LIMIT 1", values,
        )  # fmt: skip
        return None if row is None else (int(row[0]), str(row[1]))

    def _check_values(self, target: str, rule: Rule) -> None:
        if found := self._first(target, f"starts_with({quoted(target)}, '?')"):
            legal = ", ".join(sorted(rule.values or {}))
            self._refuse("value_unmapped", found[0], target, f"'{found[1][1:]}' is not mapped",
                         f"Add it to the mapping's values; mapped are {legal}.")  # fmt: skip

    def _hash(self, target: str) -> None:
        """Replace addresses by their keys; the plain ones never leave the temporary table."""
        if self.secret is None:
            raise _wrong(
                "secret_missing", "Addresses cannot be keyed without the tenant's secret (P1).",
                self.path.name, "Give --secret-file FILE, or OPENSMA_GROWTH_SECRET.",
            )  # fmt: skip
        column = quoted(target)
        rows = self.connection.execute(
            f"SELECT DISTINCT {column} FROM {self.text} WHERE {column} IS NOT NULL"
        ).fetchall()
        keys = [(row[0], email_key(str(row[0]), self.secret)) for row in rows]
        self.connection.execute("CREATE OR REPLACE TEMP TABLE email_keys (a VARCHAR, k VARCHAR)")
        if keys:
            self.connection.executemany("INSERT INTO email_keys VALUES (?, ?)", keys)
        self.connection.execute(
            f"UPDATE {self.text} SET {column} = k FROM email_keys WHERE a = {column}"
        )
        self.connection.execute("DROP TABLE email_keys")
        self.connection.execute(f"DROP TABLE IF EXISTS {self.raw}")

    def _find_firms(self, target: str) -> None:
        """Domains become the firms whose own they are, and nothing where they are nobody's (I5)."""
        column = quoted(target)
        rows = self.connection.execute(
            f"SELECT DISTINCT {column} FROM {self.text} WHERE starts_with({column}, '{MARK}')"
        ).fetchall()
        domains = [str(row[0]).removeprefix(MARK) for row in rows]
        self.links = firms_of_domains(self.connection, domains, ("firm", *self.firms))
        self.connection.execute("CREATE OR REPLACE TEMP TABLE domain_firm (d VARCHAR, f VARCHAR)")
        if self.links:
            self.connection.executemany(
                "INSERT INTO domain_firm VALUES (?, ?)",
                [(MARK + domain, firm) for domain, firm in self.links.items()],
            )
        self.connection.execute(
            f"UPDATE {self.text} SET {column} = (SELECT f FROM domain_firm WHERE d = {column}) "
            f"WHERE starts_with({column}, '{MARK}')"
        )
        self.connection.execute("DROP TABLE domain_firm")
        self.connection.execute(f"DROP TABLE IF EXISTS {self.raw}")  # it has the addresses

    def _check(self) -> None:
        for column in self.table.columns:
            name = quoted(column.name)
            if column.needed and (found := self._first(column.name, f"{name} IS NULL")):
                self._refuse("value_missing", found[0], column.name, "the value is missing",
                             f"Every {self.table.name} needs its {column.name}.")  # fmt: skip
            kind = column.kind.value
            bad = f"{name} IS NOT NULL AND TRY_CAST({name} AS {kind}) IS NULL"
            if found := self._first(column.name, bad):
                code, remedy = _type_words(column.name, column.kind)
                self._refuse(code, found[0], column.name, f"'{found[1]}' is not legal", remedy)
            if column.legal:
                legal = ", ".join(_literal(v) for v in column.legal)
                if found := self._first(column.name, f"{name} NOT IN ({legal})"):
                    self._refuse(
                        f"{column.name}_unknown", found[0], column.name,
                        f"'{found[1]}' is not known", f"Legal are {', '.join(column.legal)}.",
                    )  # fmt: skip
            if column.kind is Kind.TEXT and not column.free_text:
                found = self._first(column.name, f"regexp_matches({name}, ?)", [PERSONAL])
                if found:
                    self._refuse(
                        "personal_data", found[0], column.name,
                        "an address or number of a person stands in a key",
                        "Map it through `email_hmac`, or give the source's own id (P1).",
                    )  # fmt: skip
        self._check_keys()

    def _check_keys(self) -> None:
        if self.table.name == "alias":
            bad = "id_type = 'email_hmac' AND NOT regexp_matches(id_value, '^[0-9a-f]{64}$')"
            if found := self._first("id_type", bad):
                remedy = "Give 64 hex digits, or map the address through `email_hmac`."
                what = "the key is no HMAC-SHA-256"
                self._refuse("raw_address", found[0], "id_value", what, remedy)
        keys = ", ".join(quoted(k) for k in self.table.key)
        differing = (
            f"_line IN (SELECT max(_line) FROM (SELECT DISTINCT ON ({self._all()}) * FROM "
            f"{self.text}) GROUP BY {keys} HAVING count(*) > 1)"
        )
        if found := self._first(self.table.key[0], differing):
            remedy = f"Rows of {self.table.name} differ by {', '.join(self.table.key)}."
            what = f"'{found[1]}' stands twice with other content"
            self._refuse("key_twice", found[0], self.table.key[0], what, remedy)

    def _all(self) -> str:
        return ", ".join(quoted(name) for name in self.table.names)

    def _type(self, mapped: set[str]) -> int:
        """The typed table, with free text masked; how many rows were masked."""
        free = [c.name for c in self.table.columns if c.free_text and c.name in mapped]
        masked = 0
        for name in free:
            matches = f"regexp_matches({quoted(name)}, ?)"
            counted = f"SELECT count(*) FROM {self.text} WHERE {matches}"
            masked += changed(self.connection, counted, [PERSONAL])
        typed = ", ".join(
            f"CAST({mask_sql(quoted(c.name)) if c.name in free else quoted(c.name)} "
            f'AS {c.kind.value}) AS "{c.name}"'
            for c in self.table.columns
        )
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {self.name} AS SELECT min(_line) AS _line, "
            f"* EXCLUDE (_line) FROM (SELECT _line, {typed} FROM {self.text}) GROUP BY ALL"
        )
        self.connection.execute(f"DROP TABLE {self.text}")
        return masked

    def _refuse(self, code: str, line: int, column: str, what: str, remedy: str) -> None:
        where = f"{self.path.name}:{line}"
        raise _wrong(code, f"{self.table.name}.{column}: {what}.", where, remedy)


def _type_words(name: str, kind: Kind) -> tuple[str, str]:
    if name == "amount_c":
        return "amount", "Give whole cents without a currency or a comma; dollars map `as: cents`."
    if kind is Kind.TIME:
        return "time", "Write a time in UTC, as 2024-12-31 16:30:00."
    if kind is Kind.DAY:
        return "date", "Write a date as 2024-12-31."
    return "number", "Write a plain number."


def _transformed(value: str, transform: str) -> str:
    if transform == "cents":  # a text that is no amount stays as it is, and is refused by its name
        amount = f"CAST(CAST(ROUND(CAST({value} AS DECIMAL(18, 2)) * 100) AS BIGINT) AS VARCHAR)"
        return f"CASE WHEN regexp_matches({value}, '{_CENTS}') THEN {amount} ELSE {value} END"
    if transform == "percent_bps":
        return f"CAST(CAST(ROUND(TRY_CAST({value} AS DECIMAL(9, 2)) * 100) AS BIGINT) AS VARCHAR)"
    if transform == "domain":
        bare = f"regexp_replace(lower({value}), '^[a-z]+://', '')"
        return f"regexp_replace(regexp_replace({bare}, '[/:?#].*$', ''), '^www\\.', '')"
    if transform == "firm_by_domain":  # of an address, or a bare domain; resolved once it is staged
        bare = f"regexp_replace(lower({value}), '^.*@', '')"
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE '{MARK}' || {bare} END"
    return f"lower({value})" if transform == "lower" else value


def _merge(connection: Connection, part: Staged) -> tuple[int, int]:
    """Add what is new; how many rows were added, and how many were there."""
    table = part.table
    same = " AND ".join(f'm."{k}" IS NOT DISTINCT FROM s."{k}"' for k in table.key)
    all_same = " AND ".join(f'm."{n}" IS NOT DISTINCT FROM s."{n}"' for n in table.names)
    # Consent may have taken a person from a touch since: that is no other content (P2).
    if table.name == "touch":
        all_same = "m.ts = s.ts AND m.channel = s.channel AND m.kind = s.kind"
    joined = f"FROM {part.name} s JOIN {table.name} m ON {same}"
    other = first_row(
        connection, f"SELECT s._line {joined} WHERE NOT ({all_same}) ORDER BY 1 LIMIT 1"
    )
    if other:
        raise _wrong(
            "row_changed", f"The warehouse has this {table.name} with other content.",
            f"{part.file}:{other[0]}", "Rows are only added: give a new row with a new date.",
        )  # fmt: skip
    found = changed(connection, f"SELECT count(*) {joined}")
    columns = ", ".join(f's."{n}"' for n in table.names)
    added = changed(
        connection,
        f"INSERT INTO {table.name} SELECT {columns} FROM {part.name} s WHERE NOT EXISTS "
        f"(SELECT 1 FROM {table.name} m WHERE {same})",
    )
    return added, found


def _without_basis(connection: Connection) -> int:
    """Touches of persons without a lawful basis at that time lose person and firm (P2)."""
    return changed(
        connection,
        "UPDATE touch SET person_id = NULL, firm_id = NULL WHERE touch_id IN ("
        "SELECT t.touch_id FROM touch t WHERE t.person_id IS NOT NULL AND NOT "
        f"({lawful_sql('t.person_id', 't.ts')}))",
    )


def _findings(staged: Sequence[Staged], nobody: int) -> list[Finding]:
    found = [
        Finding("warning", "growth.personal_data_masked", part.file,
                f"{part.masked:,} free-text values held addresses or numbers of persons.",
                "They were masked; stop typing them at the source.")
        for part in staged if part.masked
    ]  # fmt: skip
    if nobody:
        found.append(
            Finding("warning", "growth.no_lawful_basis", "touch",
                    f"{nobody:,} touches had no lawful basis at their time.",
                    "They count in totals only (P2).")
        )  # fmt: skip
    return found


def _literal(value: str | None) -> str:
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def _wrong(code: str, message: str, where: str, remedy: str) -> InputError:
    return InputError(f"growth.{code}", message, where=where, remedy=remedy)
