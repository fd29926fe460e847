"""PyMySQL: pure Python, parameters put into the text."""

import pymysql
import pymysql.cursors
import scenario


class Session(scenario.Session):
    error = pymysql.MySQLError

    @classmethod
    def connect(cls, port, user, password, database, charset):
        return cls(
            pymysql.connect(
                host="127.0.0.1", port=port, user=user, password=password, database=database, charset=charset,
                ssl_disabled=True, local_infile=True,
            )
        )

    def more(self, target):
        self.run("SELECT 1; SELECT 2")
        # Row by row, with the connection left in the middle of a result.
        with self.conn.cursor(pymysql.cursors.SSCursor) as cursor:
            cursor.execute("SELECT a.id FROM types a, types b ORDER BY a.id")
            print("unbuffered:", cursor.fetchone(), cursor.fetchone())
        self.run("SELECT 'after the rest'")
        with self.conn.cursor() as cursor:
            cursor.executemany("INSERT INTO work (name) VALUES (%s)", [(f"row {n}",) for n in range(500)])
            print("many:", cursor.rowcount, cursor.lastrowid)
        self.conn.select_db("information_schema")
        self.run("SELECT DATABASE()")


scenario.main(Session)
