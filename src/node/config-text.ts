// The keymesh.yaml that `init` writes: every key with what it means, those at their default commented out.
import { open, rename } from "node:fs/promises";
import { stringify } from "yaml";
import {
  AUDIT_FILE_BYTES,
  AUDIT_FILES,
  DELETE_GRACE_MS,
  DELETES_PER_DAY_MAX,
  DELETES_PER_HOUR_MAX,
  DRIFT_MAX_MS,
  MISSING_AT_ONCE_MAX,
  SCAN_DUTY_FACTOR,
  SCAN_INTERVAL_MS,
  SHARE_PERCENT_MAX,
  SYNC_INTERVAL_MS,
} from "../core/limits.ts";
import { LISTEN_DEFAULT } from "./config.ts";
import { ConfigError } from "./config-error.ts";
import { dataPaths } from "./data-directory.ts";
import { isErrno, reason } from "./errno.ts";

export type NewConfig = {
  readonly name: string;
  /** Empty for the default. */
  readonly listen: readonly string[];
  /** The cloud of clouds.yaml; without it the operator has to fill it in before the first run. */
  readonly cloud?: string;
  readonly cloudsYaml?: string;
};

/** Writes a new keymesh.yaml (0600), whole or not at all. Errors: CONFIG_UNREADABLE if it is there and `replace` is false. */
export async function writeConfig(dataDir: string, config: NewConfig, { replace = false } = {}): Promise<void> {
  const file = dataPaths(dataDir).config;
  const written = replace ? `${file}.new` : file;
  try {
    const handle = await open(written, replace ? "w" : "wx", 0o600);
    try {
      await handle.writeFile(configText(config));
      await handle.sync();
    } finally {
      await handle.close();
    }
    if (replace) await rename(written, file);
  } catch (cause) {
    const why = isErrno(cause, "EEXIST")
      ? "it is there already (keymesh init --force writes it anew; the identity stays)"
      : reason(cause);
    throw new ConfigError({ code: "CONFIG_UNREADABLE", file, cause }, `can't be written: ${why}`);
  }
}

export function configText(config: NewConfig): string {
  return `${nodeText(config)}
${timesText()}
${rulesText()}`;
}

function nodeText({ name, listen, cloud, cloudsYaml }: NewConfig): string {
  return `# keymesh.yaml: one node, beside one cloud's Keystone. Read once, when the node starts.
# A line that begins with # shows a default; times are in milliseconds.

# This cloud's name, as the other members see it.
${line({ name })}

# Where this node listens, as multiaddrs; port 0 lets the system choose.
${line({ listen: listen.length === 0 ? [LISTEN_DEFAULT] : listen })}

# Addresses that members are told instead of those above: for a node behind NAT, or with a DNS name.
# announce:
#   - /dns4/mesh.example.org/tcp/4001

# How to log in to this cloud's Keystone: a cloud of clouds.yaml, looked for in the working directory,
# ~/.config/openstack and /etc/openstack unless cloudsYaml names the file. It needs the admin role at system scope, or a
# role on some domains alone: then list their IDs under domains, and see keymesh keystone policy and keymesh keystone check.
${keystoneText(cloud, cloudsYaml)}
# Or the same keys here, as they stand in clouds.yaml (this file must then be 0600):
# keystone:
#   auth:
#     auth_url: https://keystone.example.org:5000/v3
#     username: keymesh
#     password: "..."
#     user_domain_name: Default
#     system_scope: all
#   domains: [8d1e0c5b7a7f4c1c9f0e2a3b4c5d6e7f]
#   region: RegionOne
#   cacert: /etc/ssl/certs/cloud.pem
#
# Keystone's own database, in either case: read there, 50,000 projects take a fraction of a second; with create, new ones
# are inserted with their IDs, thousands a second. The user needs SELECT on project, project_tag and project_option, and
# for create INSERT on the first two. The file (0600) holds what keystone.conf has under [database] connection.
#   database:
#     urlFile: database-url
#     scan: true
#     create: false
`;
}

function timesText(): string {
  return `# Time between two scans of Keystone; longer by itself where a scan takes long: scans are at least scanDutyFactor
# times their own duration apart, so that they take no more than a twentieth of Keystone's time by default.
# scanIntervalMs: ${SCAN_INTERVAL_MS}
# scanDutyFactor: ${SCAN_DUTY_FACTOR}

# Keystone's notifications, from the broker that its transport_url names: then a change is told to the others at once, and
# scans come every five minutes only. Keystone needs [oslo_messaging_notifications] driver = messagingv2 and retry = 0 (with
# oslo's default every write hangs while the broker is away). urlFile holds the URL alone and must be 0600; the user must be
# able to declare and read queues that are named keymesh.*, and to read from the exchange.
# notifications:
#   urlFile: broker-url # amqp://user:password@broker.example.org:5672/vhost; or url: here, and this file 0600
#   exchange: keystone
#   topic: notifications
#   durable: false # true where Keystone has amqp_durable_queues
#   cacert: /etc/ssl/certs/broker.pem # for amqps://

# Time from a delete in another cloud (the project is disabled here at once) to the delete here. 24 hours; 0 is at once.
# deleteGraceMs: ${DELETE_GRACE_MS}

# How far another cloud's clock may lead ours before its writes have to wait.
# driftMaxMs: ${DRIFT_MAX_MS}

# Time between two comparisons with a random member, which repair what gossip lost.
# syncIntervalMs: ${SYNC_INTERVAL_MS}
`;
}

function rulesText(): string {
  return `# What waits for your decision (keymesh hold list) because it is much at once: deletes from one cloud within an hour
# and within a day, projects of a domain missing here at once, and either of them as a share of the domain (100 is off).
# Each may be set for one domain too, by its ID.
# guards:
#   deletesPerHourMax: ${DELETES_PER_HOUR_MAX}
#   deletesPerDayMax: ${DELETES_PER_DAY_MAX}
#   missingAtOnceMax: ${MISSING_AT_ONCE_MAX}
#   sharePercentMax: ${SHARE_PERCENT_MAX}
#   domains:
#     0123456789abcdef0123456789abcdef:
#       deletesPerHourMax: 500

# What becomes of an edit made by hand here that this cloud has no right to make for all: revert puts it back to what the
# mesh says, report leaves it and shows it until the mesh says something else. (A disable by hand always stays.)
# drift: revert

# What to do with domains that other clouds share, without asking you: the first rule that fits a domain counts, once.
# One that this Keystone holds already is only observed; what you accepted or ignored yourself stays as you said.
# accept:
#   - owner: "*" # or a peer ID
#     domains: "*" # or a list of IDs or names; IDs are safer, for the owner chooses the name
#     mode: observe # or mirror, or initial

${auditText()}

# How much to log: fatal, error, warn, info or debug.
# log:
#   level: info
`;
}

function auditText(): string {
  return `# What happened to projects here, and who wanted it (keymesh audit tail): bytes of a file, and files kept. With broker the
# events go to the cloud's own broker too (see notifications), where Keystone tells of its own changes.
# audit:
#   fileBytes: ${AUDIT_FILE_BYTES}
#   files: ${AUDIT_FILES}
#   broker: false`;
}

function keystoneText(cloud: string | undefined, cloudsYaml: string | undefined): string {
  if (cloud === undefined)
    return "# Fill this in before the first run:\n# keystone:\n#   cloud: NAME\n#   cloudsYaml: /etc/openstack/clouds.yaml";
  return line({ keystone: cloudsYaml === undefined ? { cloud } : { cloud, cloudsYaml } });
}

/** One key as YAML, quoted where it must be. */
function line(value: object): string {
  return stringify(value, { lineWidth: 0 }).trimEnd();
}
