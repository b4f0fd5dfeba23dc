// keymesh keystone: what this cloud's Keystone must allow, and whether it does. Needs no running node.
import { type Command, InvalidArgumentError } from "commander";
import { LOGIN_DOMAINS_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Finding } from "../node/keystone-check.ts";
import { POLICY_RELEASES, POLICY_ROLE, policyFile, policyRules } from "../node/policy-file.ts";
import { type Place, placeOf, show } from "./place.ts";
import type { Shell } from "./shell.ts";
import { sheet } from "./table.ts";
import { counted } from "./words.ts";

/** Something that the node will need is missing; what and how to fix it was printed. */
export class CheckFailedError extends Error {
  override readonly name = "CheckFailedError";
  readonly code = "KEYSTONE_CHECK_FAILED";
}

type PolicyChoices = { readonly domain?: readonly string[]; readonly release: number; readonly role: string };

export function addKeystone(program: Command, shell: Shell): void {
  const keystone = program
    .command("keystone")
    .summary("check this cloud's Keystone, and print the policy that a node needs")
    .description("What a node needs of its Keystone: tried by check, and allowed by what policy prints.");
  keystone
    .command("check")
    .summary("try all that the node will need, and say what is missing")
    .description(
      "Logs in as keymesh.yaml says and tries all that a node will need, with a throw-away project that it deletes again. Needs no running node, and disturbs none. Exit code 1 if something is missing.",
    )
    .addHelpText("after", "\nExample:\n  keymesh keystone check --data /var/lib/keymesh")
    .action((_options: object, command: Command) => checkHere(placeOf(command, shell)));
  keystone
    .command("policy")
    .summary("print the policy file for a login to some domains alone")
    .description(
      "Prints a file for Keystone's policy.d that lets a role do what a node needs in its domains, and nothing elsewhere.",
    )
    .option(
      "--domain <id>",
      "a domain in which it counts; may be repeated (default: wherever the role is given)",
      domainArgument,
    )
    .option(
      "--release <number>",
      `Keystone's major version, ${POLICY_RELEASES.least} to ${POLICY_RELEASES.most}`,
      releaseArgument,
      POLICY_RELEASES.usual,
    )
    .option("--role <name>", "the role that our user has on the domains", roleArgument, POLICY_ROLE)
    .addHelpText("after", "\nExample:\n  keymesh keystone policy --release 22 > /etc/keystone/policy.d/keymesh.yaml")
    .action(({ domain = [], release, role }: PolicyChoices, command: Command) => {
      const options = { role, release, domains: domain };
      const rules = Object.fromEntries(policyRules(options));
      show(placeOf(command, shell), rules, () => policyFile(options).trimEnd());
    });
}

/** What would be logged stands in the findings. */
const SILENT: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
  child: () => SILENT,
};

async function checkHere(place: Place): Promise<void> {
  // Loaded here: every other verb starts sooner without the HTTP client.
  const [{ loadConfig }, { openKeystone }, { openNotifications }, { checkKeystone }] = await Promise.all([
    import("../node/config.ts"),
    import("../node/keystone-access.ts"),
    import("../node/notifications-access.ts"),
    import("../node/keystone-check.ts"),
  ]);
  const { world } = place.shell;
  const config = await loadConfig(place.paths.data);
  const api = await openKeystone(config.keystone, world);
  try {
    const newId = () => Buffer.from(world.randomBytes(16)).toString("hex");
    const queue = { queue: `keymesh-check.${newId()}`, isTransient: true, file: place.paths.config };
    const notifications = await openNotifications({ config, world, log: SILENT }, queue);
    const { scan = true, create = false } = config.keystone.database ?? {};
    const findings = await checkKeystone({
      ...{ api, newId, after: world.after },
      ...(notifications === undefined ? {} : { notifications }),
      ...(config.keystone.database === undefined ? {} : { database: { scan, create } }),
    });
    show(place, findings, findingsText);
    const missing = findings.filter((one) => one.is === "missing").length;
    if (missing > 0)
      throw new CheckFailedError(`${counted(missing, "thing is", "things are")} missing of what the node will need`);
  } finally {
    await api.close();
  }
}

export function findingsText(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, is, detail, fix }): [string, ...string[]] => [
    what,
    is === "skipped" && detail === ""
      ? "not tried"
      : `${is === "ok" ? "ok" : is === "missing" ? "MISSING" : "not tried"}: ${detail}`,
    ...(fix === null ? [] : [`fix: ${fix}`]),
  ]);
  return sheet(rows);
}

function domainArgument(text: string, before: readonly string[] = []): readonly string[] {
  if (!/^([0-9a-f]{32}|default)$/.test(text)) throw new InvalidArgumentError("A domain's ID has 32 hex digits.");
  if (before.length >= LOGIN_DOMAINS_MAX) throw new InvalidArgumentError(`At most ${LOGIN_DOMAINS_MAX} domains.`);
  return [...before, text];
}

function releaseArgument(text: string): number {
  const { least, most } = POLICY_RELEASES;
  const release = /^\d{2}$/.test(text) ? Number(text) : 0;
  if (release < least || release > most)
    throw new InvalidArgumentError(`Keystone's major version, ${least} (Zed) to ${most}.`);
  return release;
}

/** Into a rule as it is: what oslo.policy would read as more than a word must not come in. */
function roleArgument(text: string): string {
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(text))
    throw new InvalidArgumentError("A role's name: letters, digits, _, . and -.");
  return text;
}
