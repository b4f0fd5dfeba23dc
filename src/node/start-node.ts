// Starts a node on a data directory: opens what it needs, in an order in which a failure leaves nothing open.

import { openIdentity } from "../mesh/identity.ts";
import { createMesh } from "../mesh/mesh.ts";
import { openLevelStore } from "../store/open-store.ts";
import { openAudit } from "./audit-access.ts";
import type { Control } from "./control.ts";
import { dataPaths } from "./data-directory.ts";
import { identityFor, rotationKeys } from "./identity-keys.ts";
import { openKeystone } from "./keystone-access.ts";
import { Node, type NodeOptions } from "./node.ts";
import { openNotifications } from "./notifications-access.ts";
import { Operator } from "./operator.ts";
import { HeapWatch, keepHeapSmall } from "./small-heap.ts";
import { verifyOnThreads } from "./verify-entries.ts";

export type RunningNode = {
  readonly control: Control;
  /** Resolves once the node wants to be stopped and started anew: under another key. */
  readonly restart: Promise<void>;
  stop(): Promise<void>;
};

/** The data directory is this process's own. Errors: StoreError, MeshError, ConfigError, CredentialsError. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  keepHeapSmall();
  const paths = dataPaths(options.dataDir);
  await openIdentity(paths.identity); // Before anything else: a key that can't be used needs no store.
  const keystone = await openKeystone(options.config.keystone, options.world);
  const store = await openLevelStore({ path: paths.store, version: options.version });
  const closed = async (error: unknown) => {
    await keystone.close();
    await store.close();
    throw error;
  };
  const identity = await identityFor(paths, store).catch(closed);
  const notifications = await openNotifications(options, {
    queue: `keymesh.${identity.peerId}`,
    file: paths.config,
  }).catch(closed);
  const audit = await openAudit(options, { paths, store, peerId: identity.peerId }).catch(closed);
  const wanted = Promise.withResolvers<void>();
  const heap = new HeapWatch(options.world.after);
  const node = new Node(options, {
    identity,
    store,
    api: keystone,
    ...(notifications === undefined ? {} : { notifications }),
    openMesh: createMesh,
    verify: verifyOnThreads,
    audit: audit.log,
    noteEntries: (count) => heap.note(count),
    rotation: { keys: rotationKeys(paths), restart: wanted.resolve },
  });
  const stop = async () => {
    heap.stop();
    await node.stop();
    await audit.stop();
    await keystone.close();
    await store.close();
  };
  try {
    await node.start();
    return { control: new Operator(node), restart: wanted.promise, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
