// From the config to the audit: its file, and the cloud's broker where that is to be told too.
import { AUDIT_FILE_BYTES, AUDIT_FILES } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { EventPublisher } from "../keystone/event-publisher.ts";
import type { ReplicaStore } from "../store/store.ts";
import { brokerEvent } from "./audit-broker.ts";
import { AuditFile, auditPath } from "./audit-file.ts";
import { AuditLog } from "./audit-log.ts";
import type { Config } from "./config.ts";
import type { DataPaths } from "./data-directory.ts";
import { brokerAccess } from "./notifications-access.ts";
import type { World } from "./world.ts";

export type Audit = { readonly log: AuditLog; stop(): Promise<void> };

/** Connects to nothing that must answer. Errors: StoreError; ConfigError for the broker's URL. */
export async function openAudit(
  options: { readonly config: Config; readonly world: World; readonly log: Log },
  parts: { readonly paths: DataPaths; readonly store: ReplicaStore; readonly peerId: PeerId },
): Promise<Audit> {
  const { config, world, log } = options;
  const { paths, store, peerId } = parts;
  const { fileBytes = AUDIT_FILE_BYTES, files = AUDIT_FILES, broker = false } = config.audit ?? {};
  const access =
    broker && config.notifications !== undefined ? await brokerAccess(config.notifications, paths.config) : undefined;
  const publisher =
    access === undefined
      ? undefined
      : new EventPublisher({ ...access, name: config.name, log, random: world.random, after: world.after });
  const audit = await AuditLog.open({
    file: new AuditFile(paths.audit, { fileBytes, files }),
    path: auditPath(paths.audit, 0),
    store,
    log,
    world,
    self: peerId,
    ...(publisher === undefined ? {} : { broker: publisher, listener: tellBroker(publisher) }),
  });
  publisher?.start();
  return {
    log: audit,
    stop: async () => {
      await audit.stop();
      await publisher?.stop();
    },
  };
}

function tellBroker(publisher: EventPublisher): NonNullable<Parameters<typeof AuditLog.open>[0]["listener"]> {
  return (event, note) => publisher.publish(brokerEvent(event, note));
}
