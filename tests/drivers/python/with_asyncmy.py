"""asyncmy: asyncio, parameters put into the text."""

import asyncio

import asyncmy
import scenario

LOOP = asyncio.new_event_loop()
wait = LOOP.run_until_complete


class Cursor:
    """The driver's cursor for callers that do not await."""

    def __init__(self, cursor):
        self.inner = cursor

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def execute(self, *arguments):
        return wait(self.inner.execute(*arguments))

    def fetchall(self):
        return wait(self.inner.fetchall())

    def nextset(self):
        return wait(self.inner.nextset())

    def close(self):
        wait(self.inner.close())


class Session(scenario.Session):
    error = asyncmy.errors.MySQLError

    @classmethod
    def connect(cls, port, user, password, database, charset):
        opening = asyncmy.connect(
            host="127.0.0.1", port=port, user=user, password=password, database=database, charset=charset
        )

        async def enter():
            return await opening

        return cls(wait(enter()))

    def cursor(self, params):
        return Cursor(self.conn.cursor())

    def begin(self):
        wait(self.conn.begin())

    def commit(self):
        wait(self.conn.commit())

    def rollback(self):
        wait(self.conn.rollback())

    def autocommit(self, on):
        wait(self.conn.autocommit(on))

    def ping(self):
        wait(self.conn.ping())

    def close(self):
        wait(self.conn.ensure_closed())

    def more(self, target):
        async def both():
            pool = await asyncmy.create_pool(
                host="127.0.0.1", port=target.port, user=target.user, password=target.password, db=target.database,
                minsize=1, maxsize=2,
            )

            async def one(n):
                async with pool.acquire() as conn, conn.cursor() as cursor:
                    await cursor.execute("SELECT %s + 1", (n,))
                    return await cursor.fetchone()

            print("pool:", await asyncio.gather(*(one(n) for n in range(20))))
            pool.close()
            await pool.wait_closed()

        self.close()
        wait(both())
        self.conn = Session.connect(target.port, target.user, target.password, target.database, "utf8mb4").conn


scenario.main(Session)
