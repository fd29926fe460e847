"""Logs in once for each line of standard input: `python login.py DRIVER`.

A line's fields, parted by tabs, are channel, port, Unix socket, user, password, authority and plugin. Printed is a line each:
`= VALUE`, or `! NUMBER WORDS` with the driver's error.
"""

import sys


def pymysql_row(channel, port, socket, user, password, authority, plugin):
    import pymysql

    where = {"unix_socket": socket} if channel == "Unix socket" else {"host": "127.0.0.1", "port": port}
    tls = {"ssl_ca": authority, "ssl_verify_identity": True} if channel == "TLS" else {"ssl_disabled": True}
    return row(pymysql.connect(user=user, password=password, **where, **tls))


def connector_row(channel, port, socket, user, password, authority, plugin):
    import mysql.connector

    where = {"unix_socket": socket} if channel == "Unix socket" else {"host": "127.0.0.1", "port": port}
    tls = {"ssl_ca": authority, "ssl_verify_identity": True} if channel == "TLS" else {"ssl_disabled": True}
    begin = {"auth_plugin": plugin} if plugin else {}
    return row(mysql.connector.connect(user=user, password=password, use_pure=True, **where, **tls, **begin))


def row(conn):
    cursor = conn.cursor()
    cursor.execute("SELECT 40 + 2")
    value = cursor.fetchone()[0]
    conn.close()
    return value


def told(error):
    number = getattr(error, "errno", None) or (error.args[0] if error.args and isinstance(error.args[0], int) else 0)
    return f"! {number} {type(error).__name__} {error}".replace("\n", " ")


log_in = {"pymysql": pymysql_row, "mysql.connector": connector_row}[sys.argv[1]]
for line in sys.stdin:
    channel, port, *others = line.rstrip("\n").split("\t")
    try:
        print("=", log_in(channel, int(port), *others), flush=True)
    except Exception as error:
        print(told(error), flush=True)
