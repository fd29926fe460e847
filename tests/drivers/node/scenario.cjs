// What every Node driver does, and prints, at each target: node with_X.cjs STATEMENTS USER PASSWORD DATABASE NAME=PORT...
//
// A driver's file gives `main` its way to open a session: {text, prepared, begin, commit, rollback, ping, close, destroy, more}.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');
const util = require('node:util');

const print = (...words) => fs.writeSync(1, words.join(' ') + '\n');

function lists(path) {
    const found = {};
    let name;
    for (const line of fs.readFileSync(path, 'utf8').split('\n')) {
        if (line.startsWith('[')) found[(name = line.slice(1, -1))] = [];
        else if (line && !line.startsWith('#')) found[name].push(line);
    }
    return found;
}

const everything = { depth: null, maxArrayLength: null, maxStringLength: null, breakLength: Infinity };
const show = (value) => util.inspect(value, everything);

// Big values by their length and digest.
function short(value) {
    if (Array.isArray(value)) return `[${value.map(short).join(', ')}]`;
    if (Buffer.isBuffer(value) || typeof value === 'string') {
        const digest = crypto.createHash('md5').update(value).digest('hex');
        return value.length > 1000 ? `${typeof value} of ${value.length}: ${digest}` : show(value);
    }
    if (value && Object.getPrototypeOf(value) === Object.prototype) {
        return Object.entries(value).map(([key, one]) => `${key}: ${short(one)}`).join(', ');
    }
    return show(value);
}

const told = (error) => [error.code, error.errno, error.sqlState, error.sqlMessage].map(show).join(' ');

async function attempt(sql, how, shown, act) {
    print('>', sql.slice(0, 100), how);
    try {
        for (const part of await act()) print('  ', shown(part));
    } catch (error) {
        print('   ERROR', told(error));
    }
}

const run = (session, sql, shown = show) => attempt(sql, '', shown, () => session.text(sql));
const runPrepared = (session, sql, values, shown = show) =>
    attempt(sql, shown(values), shown, () => session.prepared(sql, values));

async function parameters(session, statements) {
    for (const sql of statements) {
        await runPrepared(session, sql, [1]);
        await runPrepared(session, sql, [2]);
    }
    const insert = 'INSERT INTO work (name, n) VALUES (?, ?)';
    const rows = [["text 😀 'quoted' \\ %s", -1], ['ünï', null], [Buffer.from('bytes'), 2147483647], ['wide', 2 ** 40]];
    for (const values of rows) await runPrepared(session, insert, values);
    await run(session, 'SELECT id, name, n FROM work ORDER BY id');
    await runPrepared(session, 'SELECT ?, ?, ?, ?', [null, 1.25, '😀', Buffer.from([0, 255, 39, 92])]);
    await run(session, 'DELETE FROM work');
}

async function transactions(session, other) {
    const count = 'SELECT COUNT(*) FROM work';
    const add = (name) => run(session, `INSERT INTO work (name) VALUES ('${name}')`);
    await session.begin();
    await add('committed');
    await run(other, count);
    await session.commit();
    await run(other, count);
    await session.begin();
    await add('rolled back');
    await run(session, 'SAVEPOINT s');
    await add('past the savepoint');
    await run(session, 'ROLLBACK TO SAVEPOINT s');
    await run(session, count);
    await session.rollback();
    await run(session, count);
    await run(session, 'SET autocommit = 0');
    await add('without autocommit');
    await run(other, count);
    await session.rollback();
    await add('kept');
    await session.commit();
    await run(session, 'SET autocommit = 1');
    await session.begin();
    await run(session, "SELECT name FROM work WHERE name = 'kept' FOR UPDATE");
    await run(other, "SELECT name FROM work WHERE name = 'kept' FOR UPDATE NOWAIT");
    // One that fails inside a transaction leaves the transaction open.
    await run(session, 'SELECT * FROM missing');
    await add('after the error');
    await session.commit();
    await run(other, 'SELECT name FROM work ORDER BY name');
    await run(session, 'DELETE FROM work');
}

async function big(session) {
    const insert = 'INSERT INTO big VALUES (?, ?, ?)';
    const text = 'großer Text 😀 '.repeat(200000);
    const data = Buffer.concat(Array(8000).fill(Buffer.from([...Array(256).keys()])));
    await runPrepared(session, insert, [1, text, data], short);
    await runPrepared(session, insert, [2, 'x'.repeat(70000), Buffer.alloc(300000, 255)], short);
    await run(session, 'SELECT id, LENGTH(t), SHA2(t, 256), SHA2(b, 256) FROM big ORDER BY id');
    await run(session, 'SELECT * FROM big ORDER BY id', short);
    await runPrepared(session, 'SELECT t FROM big WHERE id = ?', [1], short);
    // More rows than a buffer holds.
    const rows = "SELECT a.id AS a, REPEAT('r', 5000) AS r FROM types a, types b, types c ORDER BY a.id, b.id, c.id";
    await run(session, rows, short);
}

async function characterSets(open) {
    const [latin1, utf8] = [await open({ charset: 'LATIN1_SWEDISH_CI' }), await open({})];
    for (const session of [latin1, utf8]) {
        await run(session, 'SELECT @@character_set_client, @@character_set_results, @@collation_connection');
    }
    await run(latin1, "INSERT INTO texts VALUES (1, 'é latin ü', 'é latin ü')");
    await run(utf8, "INSERT INTO texts VALUES (2, 'é utf8 😀', 'é utf8')");
    for (const session of [latin1, utf8]) {
        await run(session, 'SELECT id, u, l, HEX(u), HEX(l) FROM texts ORDER BY id');
        await session.close();
    }
}

async function ends(open) {
    for (const login of [{ password: 'wrong' }, { database: 'missing_database' }]) {
        try {
            await open(login);
            print('logged in with a wrong', Object.keys(login));
        } catch (error) {
            print('wrong', Object.keys(login), told(error));
        }
    }
    let session = await open({});
    await session.ping();
    await run(session, 'KILL CONNECTION_ID()');
    // Which error a dead connection gives depends on how far its end has come.
    try {
        await session.text('SELECT 1');
        await session.text('SELECT 1');
        print('alive after KILL');
    } catch {
        print('gone');
    }
    session.destroy();
    session = await open({});
    await run(session, "SELECT 'back'");
    await session.more({ print, run: (sql) => run(session, sql) });
    await session.close();
}

async function play(open, statements) {
    let one = await open({});
    await run(one, 'SELECT VERSION(), CURRENT_USER(), DATABASE(), @@autocommit, @@sql_mode, @@time_zone');
    await run(one, 'SELECT @@character_set_client, @@character_set_results, @@collation_connection');
    for (const sql of [...statements.schema, ...statements.types]) await run(one, sql);
    await parameters(one, statements.prepared);
    await run(one, 'CALL twice(21)');
    const two = await open({});
    await transactions(one, two);
    for (const [at, sql] of statements.one.entries()) {
        await run(one, sql);
        await run(two, statements.two[at]);
    }
    await two.close();
    await one.close();
    one = await open({});
    for (const sql of statements.errors) {
        await run(one, sql);
        await run(one, "SELECT 'alive'");
    }
    await big(one);
    await one.close();
    await characterSets(open);
    await ends(open);
}

exports.main = async (connect) => {
    const [path, user, password, database, ...targets] = process.argv.slice(2);
    const statements = lists(path);
    for (const target of targets) {
        const [name, port] = target.split('=');
        const usual = { host: '127.0.0.1', port: Number(port), user, password, database };
        print('== target', name);
        await play((login) => connect({ ...usual, ...login }), statements);
        print('== end', name);
    }
};
