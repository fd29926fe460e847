// Logs in once for each line of standard input, as login.py does: node login.cjs DRIVER
'use strict';
const fs = require('node:fs');

const sql = 'SELECT 40 + 2 AS n';

const open = {
    mysql2: async (login, ssl, socketPath) => {
        const where = socketPath ? { socketPath } : { host: '127.0.0.1', port: login.port };
        const tls = ssl && { ...ssl, verifyIdentity: true };
        const conn = await require('mysql2/promise').createConnection({ ...login, ...where, ssl: tls });
        try {
            return (await conn.query(sql))[0][0].n;
        } finally {
            conn.destroy();
        }
    },
    mariadb: async (login, ssl, socketPath) => {
        const where = socketPath ? { socketPath } : { host: '127.0.0.1', port: login.port };
        // Left to itself it does not look at the name.
        const tls = ssl ? { ...ssl, checkServerIdentity: require('node:tls').checkServerIdentity } : false;
        // With a collation of the handshake's it runs nothing of its own, the errors of which it leaves unhandled.
        const usual = { allowPublicKeyRetrieval: true, collation: 'UTF8MB4_GENERAL_CI' };
        const conn = await require('mariadb').createConnection({ ...usual, ...login, ...where, ssl: tls });
        try {
            return (await conn.query(sql))[0].n;
        } finally {
            conn.destroy();
        }
    },
}[process.argv[2]];

(async () => {
    const lines = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean);
    for (const line of lines) {
        const [channel, port, socket, user, password, authority] = line.split('\t');
        const ssl = channel === 'TLS' ? { ca: fs.readFileSync(authority) } : undefined;
        let told;
        try {
            told = `= ${await open({ port: Number(port), user, password }, ssl, channel === 'Unix socket' && socket)}`;
        } catch (error) {
            told = `! ${error.errno || 0} ${error.code || ''} ${error.sqlMessage || error.message}`.replace(/\n/g, ' ');
        }
        fs.writeSync(1, told + '\n');
    }
})();
