// The name that a cloud claims when it dials: it rides in the noise handshake, encrypted, in the one extension there that
// may hold bytes of ours (meant for WebTransport, which we don't speak). So that an operator sees who knocks although the
// gate refuses strangers before they can say anything. Who is dialled tells its name to nobody. A claim proves nothing.
import type { ConnectionEncrypter } from "@libp2p/interface";
import { type NoiseExtensions, noise } from "@libp2p/noise";
import { CLAIM_BYTES_MAX, CLAIMS_MAX, CLOUD_NAME_LENGTH_MAX } from "../core/limits.ts";

const MARK = Buffer.from("keymesh/name/1 ");
type Encrypter = ReturnType<typeof noise>;

/** What peers that dialled us last claimed to be called, until the gate asks: bounded, the oldest goes first. */
export class Claims {
  readonly #names = new Map<string, string>();

  note(peerId: string, name: string): void {
    this.#names.delete(peerId);
    this.#names.set(peerId, name);
    for (const oldest of this.#names.keys()) {
      if (this.#names.size <= CLAIMS_MAX) return;
      this.#names.delete(oldest);
    }
  }

  /** The claim, once: it belongs to one connection. */
  take(peerId: string): string | undefined {
    const name = this.#names.get(peerId);
    this.#names.delete(peerId);
    return name;
  }
}

/** Noise that says our name when we dial, and notes what others say when they dial us. */
export function claimingNoise(name: string | undefined, claims: Claims): Encrypter {
  const said = name === undefined ? {} : { extensions: { webtransportCerthashes: [claimBytes(name)] } };
  return (components) => {
    const silent = noise()(components);
    const telling = noise(said)(components);
    const encrypter: ConnectionEncrypter<NoiseExtensions> = {
      protocol: silent.protocol,
      secureOutbound: (connection, options) => telling.secureOutbound(connection, options),
      secureInbound: async (connection, options) => {
        const secured = await silent.secureInbound(connection, options);
        const claimed = claimedName(secured.remoteExtensions?.webtransportCerthashes ?? []);
        if (claimed !== undefined) claims.note(secured.remotePeer.toString(), claimed);
        return secured;
      },
    };
    return encrypter;
  };
}

export function claimBytes(name: string): Uint8Array {
  return Buffer.concat([MARK, Buffer.from(name)]);
}

/** The name among a handshake's extensions; undefined if there is none, or it is no cloud's name. */
export function claimedName(extensions: readonly Uint8Array[]): string | undefined {
  const claim = extensions.find((bytes) => Buffer.from(bytes.subarray(0, MARK.length)).equals(MARK));
  if (claim === undefined || claim.length > CLAIM_BYTES_MAX) return undefined;
  const name = Buffer.from(claim.subarray(MARK.length)).toString();
  return name.trim() === "" || name.length > CLOUD_NAME_LENGTH_MAX ? undefined : name;
}
