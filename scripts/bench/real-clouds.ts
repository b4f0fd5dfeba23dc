// Real clouds for a benchmark: Keystones, a broker with a virtual host for each, and a node of the built CLI beside each, in
// one mesh, with one domain that the first shares and the others mirror. In temporary folders; stopped however it ends.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { type ControlClient, connectControl } from "../../src/http/control-client.ts";
import { dataPaths } from "../../src/node/data-directory.ts";
import { freePort } from "../../test/fixtures/free-port.ts";
import { KeystoneAdmin } from "../../test/fixtures/keystone-admin.ts";
import { until } from "./nodes.ts";

const run = promisify(execFile);
const CLI = "dist/cli/main.js"; // Built by scripts/bench/run.
const keystonesSchema = z.array(
  z.object({
    name: z.string(),
    url: z.string(),
    cloudsYaml: z.string(),
    database: z.string(),
    passwordFile: z.string(),
  }),
);
const madeSchema = z.object({ peerId: z.string(), multiaddrs: z.array(z.string()) });

export type RealCloud = {
  readonly name: string;
  readonly admin: KeystoneAdmin;
  readonly control: ControlClient;
  /** Keystone's SQLite file: what stands there is readable through its API. */
  readonly database: string;
  readonly peerId: string;
  readonly address: string;
};

/** Runs with clouds that are in one mesh, whose events flow; answers what `measure` does. */
export async function withClouds<T>(
  count: number,
  measure: (clouds: { readonly all: readonly [RealCloud, ...RealCloud[]]; readonly domainId: string }) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "keymesh-clouds-"));
  const [keystones, broker] = [join(folder, "keystones"), join(folder, "broker")];
  const children: ChildProcess[] = [];
  const stop = () => {
    for (const child of children) child.kill("SIGKILL");
    for (const [script, base] of [
      ["scripts/keystones", keystones],
      ["scripts/rabbitmq", broker],
    ] as const)
      execFileSync(script, ["wipe", "--kill", "--base", base], { stdio: "ignore" });
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupted = () => {
    stop();
    process.exit(130);
  };
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    await run("scripts/rabbitmq", ["up", String(count), "--base", broker, "--ports", "auto"]);
    const up = ["up", String(count), "--base", keystones, "--ports", "auto", "--broker", broker, "--json"];
    const listed = keystonesSchema.parse(JSON.parse((await run("scripts/keystones", up)).stdout));
    const all: RealCloud[] = [];
    for (const one of listed) all.push(await openCloud(one, { folder, keystones, broker, children }));
    const [first, ...others] = all as [RealCloud, ...RealCloud[]];
    return await measure({ all: [first, ...others], domainId: await joinAll(first, others) });
  } finally {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    stop();
  }
}

async function openCloud(
  keystone: z.infer<typeof keystonesSchema>[number],
  place: { folder: string; keystones: string; broker: string; children: ChildProcess[] },
): Promise<RealCloud> {
  const { name, url, database } = keystone;
  // A node logs in to a project: Keystone 22 works 62 ms for each request of a login to the system, and 8 ms for this one.
  writeFileSync(
    join(place.keystones, name, "policy.d", "keymesh.yaml"),
    '"keymesh:explicit_project_id": "role:admin"\n',
  );
  const data = join(place.folder, name);
  const listen = ["--listen", `/ip4/127.0.0.1/tcp/${await freePort()}`];
  const from = ["--os-cloud", `${name}-admin`, "--clouds-yaml", keystone.cloudsYaml];
  const init = await run(process.execPath, [CLI, "--data", data, "--json", "init", "--name", name, ...listen, ...from]);
  const made = madeSchema.parse(JSON.parse(init.stdout));
  const urlFile = join(place.broker, name, "url");
  appendFileSync(
    join(data, "keymesh.yaml"),
    `deleteGraceMs: 0\nnotifications: { urlFile: "${urlFile}" }\nlog: { level: warn }\n`,
  );
  place.children.push(spawn(process.execPath, [CLI, "run", "--data", data], { stdio: ["ignore", 2, 2] }));
  const control = connectControl({ socketPath: dataPaths(data).socket, data });
  await until(() =>
    control.status().then(
      () => true,
      () => false,
    ),
  );
  const password = readFileSync(keystone.passwordFile, "utf8");
  return {
    name,
    admin: new KeystoneAdmin({ url, password }),
    control,
    database,
    peerId: made.peerId,
    address: made.multiaddrs[0] ?? "",
  };
}

/** One mesh, one domain in all of them; answers the domain's ID once events flow everywhere. */
async function joinAll(first: RealCloud, others: readonly RealCloud[]): Promise<string> {
  await first.control.createMesh({ name: "bench" });
  for (const other of others) {
    await first.control.admit({ peerId: other.peerId });
    await other.control.join({ address: first.address });
  }
  const id = await first.admin.createDomain("bench");
  await first.control.shareDomain({ domain: id });
  for (const other of others) {
    await until(() =>
      other.control.acceptDomain({ domain: id }).then(
        () => true,
        () => false,
      ),
    );
    await until(async () => (await other.admin.get(id)) !== undefined);
  }
  for (const { control } of [first, ...others])
    await until(async () => (await control.status()).keystone.notifications.isFlowing);
  return id;
}
