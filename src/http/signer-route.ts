// GET /v1/signers/{peerId}?domain=ID: who a peer is to a domain, for a Keystone or a service that met a signer which it
// doesn't know. Read-only, and answered from this node's replica alone.
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { type Control, ControlError } from "../node/control.ts";

const question = z.strictObject({ domain: z.string() });
const RETRY_AFTER_SECONDS = 1;

export function signerPath({ peerId, domain }: { peerId: string; domain: string }): string {
  return `/v1/signers/${encodeURIComponent(peerId)}?domain=${encodeURIComponent(domain)}`;
}

/** 200 with the answer, whatever it is; 400 for what is no peer ID or domain ID; 429 for too many about strangers. */
export function serveSigners(app: FastifyInstance, control: Pick<Control, "signer">): void {
  app.get<{ Params: { peerId: string } }>("/v1/signers/:peerId", async (request, reply) => {
    const asked = question.safeParse(request.query);
    if (!asked.success) throw new ControlError("BAD_DOMAIN_ID", "say which domain: /v1/signers/PEERID?domain=ID");
    try {
      return await control.signer({ peerId: request.params.peerId, domain: asked.data.domain });
    } catch (error) {
      if (error instanceof ControlError && error.code === "TOO_MANY_QUESTIONS")
        reply.header("retry-after", RETRY_AFTER_SECONDS);
      throw error;
    }
  });
}
