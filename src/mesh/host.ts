// The libp2p node: TCP, noise, yamux and identify, with the settings that a mesh of known members needs.
// What libp2p does by itself for open networks (finding peers, keeping addresses, dialling again) is ours here.
import type { GossipSubComponents } from "@chainsafe/libp2p-gossipsub";
import { type Identify, identify } from "@libp2p/identify";
import type { ConnectionGater, Libp2p } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p } from "libp2p";
import {
  ADMISSION_TIMEOUT_MS,
  CONNECTIONS_MAX,
  DIAL_TIMEOUT_MS,
  INBOUND_PER_HOST_PER_SECOND_MAX,
  MEMBERS_MAX,
} from "../core/limits.ts";
import { Claims, claimingNoise } from "./claimed-name.ts";
import { toError } from "./frames.ts";
import { MeshError } from "./mesh-error.ts";
import type { MeshOptions } from "./mesh-types.ts";
import { acknowledgeRarely } from "./rare-acks.ts";
import { decodeWithoutTraces } from "./traceless-decoding.ts";

/** libp2p's inner parts that gossipsub is made of: its topics are fixed when it is made, and ours is known only later. */
export type GossipParts = { readonly components: GossipSubComponents };
export type Host = Libp2p<{ identify: Identify; gossipParts: GossipParts }>;

/** Starts listening. Errors: CANNOT_LISTEN. */
export async function startHost(
  options: Pick<MeshOptions, "identity" | "name" | "listen" | "announce">,
  connectionGater: ConnectionGater,
  claims = new Claims(),
): Promise<Host> {
  acknowledgeRarely();
  decodeWithoutTraces();
  try {
    return await createLibp2p({
      privateKey: options.identity.privateKey,
      addresses: { listen: [...options.listen], announce: [...(options.announce ?? [])] },
      transports: [tcp()],
      connectionEncrypters: [claimingNoise(options.name, claims)],
      streamMuxers: [yamux()],
      connectionGater,
      // Its own pings abort a healthy connection on one miss; ours (link-keeper.ts) tell a slow peer from a dead one.
      connectionMonitor: { enabled: false, abortConnectionOnPingFailure: false },
      connectionManager: {
        maxConnections: CONNECTIONS_MAX,
        maxDialQueueLength: MEMBERS_MAX,
        dialTimeout: DIAL_TIMEOUT_MS,
        maxIncomingPendingConnections: INBOUND_PER_HOST_PER_SECOND_MAX,
        inboundConnectionThreshold: INBOUND_PER_HOST_PER_SECOND_MAX,
        reconnectRetries: 0, // Dialling again is ours, for ever and with addresses that libp2p would forget.
      },
      services: {
        identify: identify({ timeout: ADMISSION_TIMEOUT_MS }),
        gossipParts: (components: GossipSubComponents): GossipParts => ({ components }),
      },
    });
  } catch (error) {
    throw new MeshError("CANNOT_LISTEN", `can't listen at ${options.listen.join(", ")}: ${whyNot(error)}`, {
      details: { listen: options.listen.join(",") },
      cause: error,
    });
  }
}

/** The system's own word where there is one: libp2p's message has a stack trace in it. */
function whyNot(error: unknown): string {
  const { message } = toError(error);
  return message.match(/\b(E[A-Z]+: [^\n]+)/)?.[1] ?? message.split("\n", 1)[0] ?? message;
}
