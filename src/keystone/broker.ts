// What both ways to the cloud's broker share: its URL, and what went wrong there in words that hold no password.
import type { ChannelModel } from "amqplib";
import { oneLine } from "./one-line.ts";

/** Keystone's own transport_url says `rabbit:` for what is AMQP. */
export function brokerUrl(url: string): URL {
  return new URL(url.replace(/^rabbit/, "amqp"));
}

/** One line for an operator, without the password of the URL in either of its spellings. */
export function brokerWords(url: string, error: unknown): string {
  const { password } = brokerUrl(url);
  const text = error instanceof Error ? error.message || error.name : String(error);
  const told = error instanceof AggregateError ? error.errors.map(String).join("; ") : text;
  const plain = password.replace(/%([0-9A-Fa-f]{2})/g, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  const secrets = [password, plain].filter((secret) => secret !== "");
  return oneLine(secrets.reduce((line, secret) => line.replaceAll(secret, "…"), told));
}

/** Ends a connection that may have ended already, most often because of what we hang up for. */
export async function hangUp(model: ChannelModel | undefined): Promise<void> {
  await model?.close().catch(() => undefined); // It is closed already, most often.
}
