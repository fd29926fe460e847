"""mysqlclient: C, on MariaDB's client library."""

import MySQLdb
import MySQLdb.cursors
import scenario


class Session(scenario.Session):
    error = MySQLdb.MySQLError

    @classmethod
    def connect(cls, port, user, password, database, charset):
        return cls(
            MySQLdb.connect(
                host="127.0.0.1", port=port, user=user, password=password, database=database, charset=charset,
                ssl_mode="DISABLED", local_infile=1, binary_prefix=True,
            )
        )

    def more(self, target):
        self.run("SELECT 1; SELECT 2")
        cursor = self.conn.cursor(MySQLdb.cursors.SSCursor)
        cursor.execute("SELECT a.id FROM types a, types b ORDER BY a.id")
        print("unbuffered:", cursor.fetchone(), cursor.fetchone())
        cursor.close()
        self.run("SELECT 'after the rest'")
        self.run("SET @x = 1")
        self.conn.change_user(target.user, target.password, target.database)
        self.run("SELECT @x")
        print(self.conn.get_server_info(), self.conn.warning_count(), self.conn.info())


scenario.main(Session)
