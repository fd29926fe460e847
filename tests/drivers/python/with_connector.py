"""mysql-connector-python: prepared statements by the binary protocol; twice, in Python and on MySQL's C library."""

import mysql.connector
import mysql.connector.cursor_cext
import scenario


class Session(scenario.Session):
    error = mysql.connector.Error
    pure = True
    prepared = mysql.connector.cursor.MySQLCursorPrepared

    @classmethod
    def connect(cls, port, user, password, database, charset):
        return cls(
            mysql.connector.connect(
                host="127.0.0.1", port=port, user=user, password=password, database=database, charset=charset,
                collation=f"{charset}_general_ci", ssl_disabled=True, use_pure=cls.pure, get_warnings=True,
            )
        )

    def cursor(self, params):
        return self.conn.cursor(prepared=params is not None)

    def run(self, sql, params=None, show=repr):
        # In Python it takes a YEAR of the binary protocol for one byte, and loses its place in the row.
        if params is None or not sql.startswith("SELECT id, y "):
            super().run(sql, params, show)

    def results(self, cursor):
        if isinstance(cursor, self.prepared):
            # A prepared cursor has no further results to ask for.
            columns = [(column[0], column[1]) for column in cursor.description or ()]
            yield (columns, cursor.fetchall()) if columns else (None, (cursor.rowcount, cursor.lastrowid))
        else:
            yield from super().results(cursor)
        print("  warnings:", cursor.warnings)

    def told(self, error):
        return error.errno, error.sqlstate, error.msg

    def begin(self):
        self.conn.start_transaction()

    def autocommit(self, on):
        self.conn.autocommit = on

    def more(self, target):
        cursor = self.conn.cursor()
        print("called:", cursor.callproc("twice", (4,)), [result.fetchall() for result in cursor.stored_results()])
        cursor.close()
        # One statement, prepared once and run often.
        cursor = self.conn.cursor(prepared=True)
        for n in range(20):
            cursor.execute("SELECT ? * 2, ?", (n, f"text {n}"))
            print(cursor.fetchall())
        cursor.close()
        self.run("SET @x = 1")
        self.conn.cmd_reset_connection()
        self.run("SELECT @x")
        self.conn.cmd_change_user(target.user, target.password, target.database)
        self.run("SELECT DATABASE()")
        self.conn.reconnect()
        self.run("SELECT 'again'")


class Compiled(Session):
    pure = False
    prepared = mysql.connector.cursor_cext.CMySQLCursorPrepared
    # Without TLS it does not hand over a password that the server's cache does not match.
    wrong = Session.wrong[1:]


for kind in (Session, Compiled):
    scenario.main(kind)
