// Node's mysql2 and mariadb at the console.
const [, , port, user, password] = process.argv;

async function play(name, connection) {
  const ask = async sql => { const answer = await connection.query(sql); return Array.isArray(answer[0]) ? answer[0] : answer; };
  const [row] = await ask("SELECT DATABASE() AS d, @@version_comment AS c");
  if (row.d !== "greenroom" || !row.c.includes("Greenroom")) throw new Error(JSON.stringify(row));
  const rows = await ask("SHOW NODES WHERE name = 'db1'");
  if (rows.length !== 1 || Number(rows[0].max_connections) !== 10) throw new Error(JSON.stringify(rows));
  let refused = "";
  try { await connection.query("SHOW NODS"); } catch (error) { refused = String(error.message); }
  if (!refused.includes("NODES")) throw new Error(refused);
  await connection.end();
  console.log(name);
}

(async () => {
  const options = { host: "127.0.0.1", port: Number(port), user, password };
  await play("mysql2", await require("mysql2/promise").createConnection(options));
  await play("mariadb", await require("mariadb").createConnection({ ...options, allowPublicKeyRetrieval: true }));
})().catch(error => { console.error(error); process.exit(1); });
