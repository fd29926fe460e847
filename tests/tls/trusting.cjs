// Logs in with the certificate verified and no authority named, as MariaDB's clients do by default from 11.4 on:
// node trusting.cjs PORT USER PASSWORD
'use strict';
const [port, user, password] = process.argv.slice(2);

(async () => {
    const login = { host: '127.0.0.1', port: Number(port), user, password, ssl: true, collation: 'UTF8MB4_GENERAL_CI' };
    const conn = await require('mariadb').createConnection(login);
    console.log((await conn.query('SELECT 40 + 2 AS n'))[0].n);
    await conn.end();
})().catch((error) => console.log(error.code, error.message));
