"""Python's drivers at the console: PyMySQL, Connector/Python in both its implementations, mysqlclient where it is there."""

import sys

port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]


def play(name, connection):
    cursor = connection.cursor()
    cursor.execute("SELECT DATABASE(), @@version_comment, CONNECTION_ID()")
    database, comment, number = cursor.fetchone()
    assert database == "greenroom" and "Greenroom" in comment and int(number) > 0, (database, comment, number)
    cursor.execute("SHOW ENDPOINTS WHERE name = %s", ("app",))
    rows = cursor.fetchall()
    names = [column[0] for column in cursor.description]
    assert len(rows) == 1 and names[:2] == ["name", "listen"], (rows, names)
    # What is a count comes as one.
    assert isinstance(rows[0][names.index("clients")], int), rows
    try:
        cursor.execute("SHOW POLLS")
        raise AssertionError("it is no table")
    except Exception as error:
        assert "1064" in repr(error.args) and "POOLS" in str(error), error
    cursor.execute("PAUSE app WAIT 5s")
    cursor.execute("RESUME app")
    connection.commit()
    cursor.close()
    connection.close()
    print(name)


import pymysql

play("pymysql", pymysql.connect(host="127.0.0.1", port=port, user=user, password=password))
try:
    pymysql.connect(host="127.0.0.1", port=port, user=user, password="wrong")
    raise AssertionError("a wrong password was good")
except pymysql.err.OperationalError as error:
    assert error.args[0] == 1045, error

import mysql.connector

for pure in (True, False):
    kind = "connector pure" if pure else "connector C"
    play(kind, mysql.connector.connect(host="127.0.0.1", port=port, user=user, password=password, use_pure=pure))
