// mysql2: text and prepared statements, the latter kept by the driver.
'use strict';
const mysql = require('mysql2/promise');
const { main } = require('./scenario.cjs');

const parts = ([rows, fields]) => {
    const names = (columns) => (columns ? columns.map((column) => column && [column.name, column.columnType]) : null);
    // A CALL gives a list of results.
    const several = Array.isArray(fields) && (Array.isArray(fields[0]) || fields.some((one) => !one));
    return several ? rows.map((one, at) => [names(fields[at]), one]) : [[names(fields), rows]];
};

main(async (login) => {
    const usual = { charset: 'UTF8MB4_GENERAL_CI', supportBigNumbers: true, bigNumberStrings: true };
    const conn = await mysql.createConnection({ ...usual, multipleStatements: true, ...login });
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
            // Many at once: the driver sends one after the other.
            const answers = await Promise.all([...Array(20).keys()].map((n) => conn.execute('SELECT ? + 1 AS n', [n])));
            print('at once:', JSON.stringify(answers.map(([rows]) => rows)));
            await run('SET @x = 1');
            await conn.changeUser({ user: login.user, password: login.password, database: login.database });
            await run('SELECT @x, DATABASE()');
        },
    };
});
