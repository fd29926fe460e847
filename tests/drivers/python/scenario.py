"""What every Python driver does, and prints, at each target: `python with_X.py STATEMENTS USER PASSWORD DATABASE NAME=PORT...`

A driver's file makes a class of `Sessions` and gives it to `main`. Everything printed is compared with what the same
driver prints on a direct connection, so values are printed as the driver gives them.
"""

import hashlib
import sys


class Session:
    """One connection of a driver by the DB-API; a driver's own class says what differs."""

    # What a parameter is written as.
    mark = "%s"
    # The driver's error class.
    error = Exception
    # Logins that must fail. A wrong password is looked at only by who can be asked for it in full.
    wrong = [("password", {"password": "wrong"}), ("database", {"database": "missing_database"})]

    def __init__(self, conn):
        self.conn = conn

    def cursor(self, params):
        return self.conn.cursor()

    def execute(self, cursor, sql, params):
        if params is None:
            cursor.execute(sql)
        else:
            cursor.execute(sql, params)

    def results(self, cursor):
        """Every result of the statement in turn: column names and rows, or counts."""
        while True:
            if cursor.description:
                yield [(column[0], column[1]) for column in cursor.description], cursor.fetchall()
            else:
                yield None, (cursor.rowcount, cursor.lastrowid)
            if not cursor.nextset():
                return

    def told(self, error):
        return error.args[:2]

    def run(self, sql, params=None, show=repr):
        print(">", sql[:100], "" if params is None else show(params))
        try:
            cursor = self.cursor(params)
            try:
                self.execute(cursor, sql, params)
                for columns, rows in self.results(cursor):
                    if columns is None:
                        print("  affected, id:", rows)
                        continue
                    print("  columns:", columns)
                    for row in rows:
                        print("  ", show(tuple(row)))
            finally:
                cursor.close()
        except self.error as error:
            print("  ERROR", type(error).__name__, self.told(error))

    def begin(self):
        self.conn.begin()

    def commit(self):
        self.conn.commit()

    def rollback(self):
        self.conn.rollback()

    def autocommit(self, on):
        self.conn.autocommit(on)

    def ping(self):
        self.conn.ping()

    def close(self):
        self.conn.close()

    def more(self, target):
        """What only this driver can do."""


def lists(path):
    found = {}
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("["):
            name = line.strip("[]")
            found[name] = []
        elif line and not line.startswith("#"):
            found[name].append(line)
    return found


def short(values):
    """Big values by their length and digest."""

    def one(value):
        if isinstance(value, (str, bytes, bytearray)) and len(value) > 1000:
            data = value.encode() if isinstance(value, str) else bytes(value)
            return f"{type(value).__name__} of {len(value)}: {hashlib.md5(data).hexdigest()}"
        return repr(value)

    return ", ".join(one(value) for value in values)


def parameters(session, statements):
    for sql in statements:
        session.run(sql.replace("?", session.mark), (1,))
        session.run(sql.replace("?", session.mark), (2,))
    insert = "INSERT INTO work (name, n) VALUES (?, ?)".replace("?", session.mark)
    for values in [("text 😀 'quoted' \\ %s", -1), ("ünï", None), (b"bytes", 2147483647), ("wide", 2**40)]:
        session.run(insert, values)
    session.run("SELECT id, name, n FROM work ORDER BY id")
    session.run("SELECT ?, ?, ?, ?".replace("?", session.mark), (None, 1.25, "😀", b"\x00\xff'\\"))
    session.run("DELETE FROM work")
    session.run("TRUNCATE TABLE work")


def transactions(session, other):
    count = "SELECT COUNT(*) FROM work"
    add = "INSERT INTO work (name) VALUES ('{}')"
    session.begin()
    session.run(add.format("committed"))
    other.run(count)
    session.commit()
    other.run(count)
    session.begin()
    session.run(add.format("rolled back"))
    session.run("SAVEPOINT s")
    session.run(add.format("past the savepoint"))
    session.run("ROLLBACK TO SAVEPOINT s")
    session.run(count)
    session.rollback()
    session.run(count)
    session.autocommit(False)
    session.run(add.format("without autocommit"))
    other.run(count)
    session.rollback()
    session.run(count)
    session.run(add.format("kept"))
    session.commit()
    other.run(count)
    session.autocommit(True)
    session.begin()
    session.run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE")
    other.run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE NOWAIT")
    # One that fails inside a transaction leaves the transaction open.
    session.run("SELECT * FROM missing")
    session.run(add.format("after the error"))
    session.commit()
    other.run("SELECT name FROM work ORDER BY name")
    session.run("TRUNCATE TABLE work")


def big(session):
    insert = "INSERT INTO big VALUES (?, ?, ?)".replace("?", session.mark)
    text, data = "großer Text 😀 " * 200_000, bytes(range(256)) * 8_000
    session.run(insert, (1, text, data), short)
    session.run(insert, (2, "x" * 70_000, b"\xff" * 300_000), short)
    session.run("SELECT id, LENGTH(t), SHA2(t, 256), SHA2(b, 256) FROM big ORDER BY id")
    session.run("SELECT * FROM big ORDER BY id", None, short)
    session.run("SELECT t FROM big WHERE id = ?".replace("?", session.mark), (1,), short)
    # More rows than a buffer holds.
    session.run("SELECT a.id, b.id, REPEAT('r', 5000) FROM types a, types b, types c ORDER BY a.id, b.id, c.id", None, short)


def character_sets(target):
    latin1, utf8 = target.open(charset="latin1"), target.open()
    latin1.run("SELECT @@character_set_client, @@character_set_results, @@collation_connection")
    utf8.run("SELECT @@character_set_client, @@character_set_results, @@collation_connection")
    latin1.run("INSERT INTO texts VALUES (1, 'é latin ü', 'é latin ü')")
    utf8.run("INSERT INTO texts VALUES (2, 'é utf8 😀', 'é utf8')")
    for session in (latin1, utf8):
        session.run("SELECT id, u, l, HEX(u), HEX(l) FROM texts WHERE id = 1")
    utf8.run("SELECT id, u, l, HEX(u), HEX(l) FROM texts ORDER BY id")
    # What latin1 lacks comes as a question mark.
    latin1.run("SELECT u FROM texts ORDER BY id")
    latin1.run("SET NAMES utf8mb4")
    latin1.run("SELECT HEX(CONVERT(u USING utf8mb4)) FROM texts ORDER BY id")
    latin1.close()
    utf8.close()


def ends(target):
    for name, login in target.kind.wrong:
        try:
            target.open(**login)
            print("logged in with a wrong", name)
        except target.error as error:
            print("wrong", name, type(error).__name__, target.told(error))
    session = target.open()
    session.ping()
    session.run("KILL CONNECTION_ID()")
    # Which error a dead connection gives depends on how far its end has come.
    try:
        cursor = session.cursor(None)
        session.execute(cursor, "SELECT 1", None)
        session.execute(cursor, "SELECT 1", None)
        print("alive after KILL")
    except target.error:
        print("gone")
    session = target.open()
    session.run("SELECT 'back'")
    target.more(session)
    session.close()


def play(target, statements):
    one = target.open()
    one.run("SELECT VERSION(), CURRENT_USER(), DATABASE(), @@autocommit, @@sql_mode, @@time_zone")
    one.run("SELECT @@character_set_client, @@character_set_results, @@collation_connection")
    for name in ("schema", "types"):
        for sql in statements[name]:
            one.run(sql)
    parameters(one, statements["prepared"])
    one.run("CALL twice(21)")
    two = target.open()
    transactions(one, two)
    for first, second in zip(statements["one"], statements["two"], strict=True):
        one.run(first)
        two.run(second)
    two.close()
    one.close()
    one = target.open()
    for sql in statements["errors"]:
        one.run(sql)
        one.run("SELECT 'alive'")
    big(one)
    one.close()
    character_sets(target)
    ends(target)


class Target:
    """Where to connect, and as whom."""

    def __init__(self, kind, port, user, password, database):
        self.kind, self.port, self.error = kind, port, kind.error
        self.user, self.password, self.database = user, password, database

    def open(self, charset="utf8mb4", password=None, database=None):
        session = self.kind.connect(self.port, self.user, password or self.password, database or self.database, charset)
        session.autocommit(True)
        return session

    def told(self, error):
        return self.kind.told(self.kind, error)

    def more(self, session):
        session.more(self)


def main(kind):
    path, user, password, database, *targets = sys.argv[1:]
    statements = lists(path)
    sys.stdout.reconfigure(encoding="utf-8")
    for target in targets:
        name, port = target.split("=")
        print("== target", name, kind.__name__)
        play(Target(kind, int(port), user, password, database), statements)
        print("== end", name)
