// mariadb: commands are sent without waiting for the reply to the one before; bulk inserts by MariaDB's own command.
'use strict';
const mariadb = require('mariadb');
const { main } = require('./scenario.cjs');

const parts = (result) => {
    const one = (part) => [part.meta ? part.meta.map((column) => [column.name(), column.type]) : null, part];
    // A CALL gives a list of results.
    return Array.isArray(result) && !result.meta ? result.map(one) : [one(result)];
};

main(async (login) => {
    const { charset, ...others } = login;
    const usual = { allowPublicKeyRetrieval: true, multipleStatements: true, collation: charset || 'UTF8MB4_GENERAL_CI' };
    const conn = await mariadb.createConnection({ ...usual, ...others });
    // What an idle connection says when it ends is nobody's error.
    conn.on('error', () => {});
    return {
        text: async (sql) => parts(await conn.query(sql)),
        prepared: async (sql, values) => parts(await conn.execute(sql, values)),
        begin: () => conn.beginTransaction(),
        commit: () => conn.commit(),
        rollback: () => conn.rollback(),
        ping: () => conn.ping(),
        close: () => conn.end(),
        destroy: () => conn.destroy(),
        more: async ({ print, run }) => {
            await run('SELECT 1; SELECT 2');
            const inserted = await conn.batch('INSERT INTO work (name) VALUES (?)', [...Array(100).keys()].map((n) => [`row ${n}`]));
            const rows = [inserted].flat().reduce((sum, one) => sum + one.affectedRows, 0);
            print('batch:', rows);
            await run('SELECT COUNT(*), MIN(name), MAX(name) FROM work');
            const answers = await Promise.all([...Array(20).keys()].map((n) => conn.query('SELECT ? + 1 AS n', [n])));
            print('pipelined:', answers.map((rows) => rows[0].n).join(' '));
            await run('SET @x = 1');
            await conn.reset();
            await run('SELECT @x');
            // It refuses to on MySQL.
            const { user, password, database } = login;
            await conn.changeUser({ user, password, database }).catch((error) => print('change:', error.sqlMessage));
            await run('SELECT DATABASE()');
        },
    };
});
