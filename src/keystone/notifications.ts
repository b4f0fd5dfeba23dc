// Keystone's notifications, from the cloud's own RabbitMQ: a queue of our own, bounded, beside whoever else listens.
// Events are hints and may be lost: whatever may have cost one (a new connection, a queue that ran over) is told as a gap,
// and a whole scan covers it. So what waited before we came is not read as news: by the time of that scan it is old.
import { type Channel, type ChannelModel, type ConsumeMessage, connect } from "amqplib";
import {
  NOTIFICATIONS_BAD_LOGGED_MAX,
  NOTIFICATIONS_CONNECT_TIMEOUT_MS,
  NOTIFICATIONS_HEARTBEAT_SECONDS,
  NOTIFICATIONS_PREFETCH,
  NOTIFICATIONS_QUEUE_BYTES_MAX,
  NOTIFICATIONS_QUEUE_EXPIRES_MS,
  NOTIFICATIONS_QUEUE_MAX,
  NOTIFICATIONS_RETRY_MAX_MS,
  NOTIFICATIONS_RETRY_MIN_MS,
} from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { UnixMs } from "../core/stamp.ts";
import { brokerUrl, brokerWords, hangUp } from "./broker.ts";
import { type KeystoneEvent, readNotification } from "./notification.ts";

/** Where the events come from: a broker, or a test's own. */
export type NotificationSource = {
  readonly state: SourceState;
  /** Connects, and goes on doing so for ever. */
  start(handlers: NotificationHandlers): void;
  stop(): Promise<void>;
};
export type SourceState = {
  readonly state: "connecting" | "connected";
  /** Since when, in milliseconds since the epoch. */
  readonly sinceMs: UnixMs;
  /** Why it is not connected, in the broker's own words; null if nothing went wrong. */
  readonly reason: string | null;
};
export type NotificationHandlers = {
  onEvent(event: KeystoneEvent): void;
  /** A message that says nothing of use: of another subject, none of Keystone's, or one that waited before we came. */
  onOther(is: "other" | "bad" | "old"): void;
  /** Events may have been lost, and from now on they come. */
  onGap(why: string): void;
  /** From now on none come. */
  onLoss(why: string): void;
};
export type NotificationsOptions = {
  /** amqp:// or amqps://, or rabbit:// as Keystone's transport_url spells it. Holds a password: never logged. */
  readonly url: string;
  readonly exchange: string;
  /** oslo's topic; the routing key is this and `.info`. */
  readonly topic: string;
  /** Whether Keystone declares its exchange as durable (amqp_durable_queues). */
  readonly durable: boolean;
  /** PEM text of the authority that signed the broker's certificate. */
  readonly ca?: string;
  /** The queue's name, this node's own. */
  readonly queue: string;
  /** Whether the queue goes with its connection: for a look that leaves nothing behind. */
  readonly isTransient?: boolean;
  readonly log: Log;
  now(): UnixMs;
  random(): number;
  after(ms: number, act: () => void): () => void;
};

export class Notifications implements NotificationSource {
  readonly #options: NotificationsOptions;
  #handlers: NotificationHandlers | undefined;
  #state: SourceState;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** Ends what is waited for: a pause between tries, or the connection. */
  #end: () => void = () => undefined;
  #badLogged = 0;

  constructor(options: NotificationsOptions) {
    this.#options = options;
    this.#state = { state: "connecting", sinceMs: options.now(), reason: null };
  }

  get state(): SourceState {
    return this.#state;
  }

  start(handlers: NotificationHandlers): void {
    this.#handlers = handlers;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#end();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, random } = this.#options;
    for (let failures = 0; !this.#isStopped; failures += 1) {
      const why = await this.#session();
      if (this.#state.state === "connected") failures = 0;
      if (this.#isStopped) return;
      const wasConnected = this.#state.state === "connected";
      this.#enter("connecting", why);
      if (wasConnected || failures === 0)
        log.warn({ why }, "no notifications from Keystone's broker: scanning often, and trying again");
      if (wasConnected) this.#handlers?.onLoss(why);
      const waitMs = Math.min(NOTIFICATIONS_RETRY_MIN_MS * 2 ** Math.min(failures, 10), NOTIFICATIONS_RETRY_MAX_MS);
      await this.#pause(waitMs * (0.5 + random() / 2)); // So that a hundred nodes don't all come back at once.
    }
  }

  #enter(state: SourceState["state"], reason: string | null): void {
    this.#state = { state, sinceMs: this.#options.now(), reason };
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.after(ms, resolve);
      this.#end = () => {
        cancel();
        resolve();
      };
    });
    this.#end = () => undefined;
  }

  /** One connection, from its first byte to its end. Answers why it ended. */
  async #session(): Promise<string> {
    let model: ChannelModel | undefined;
    try {
      model = await this.#connect();
      const ended = this.#ended(model);
      await this.#listen(model, ended.fail);
      this.#enter("connected", null);
      this.#badLogged = 0;
      this.#options.log.info({ queue: this.#options.queue }, "Keystone's notifications come in");
      this.#handlers?.onGap("the broker was reached");
      return await ended.why;
    } catch (error) {
      return this.#words(error);
    } finally {
      await hangUp(model);
    }
  }

  async #connect(): Promise<ChannelModel> {
    const { url, ca } = this.#options;
    const at = brokerUrl(url);
    at.searchParams.set("heartbeat", String(NOTIFICATIONS_HEARTBEAT_SECONDS));
    const opening = connect(at.href, {
      noDelay: true,
      timeout: NOTIFICATIONS_CONNECT_TIMEOUT_MS,
      clientProperties: { connection_name: "keymesh" },
      ...(ca === undefined ? {} : { ca }),
    });
    return opening;
  }

  /** When the connection ends, and why; or when we end it. */
  #ended(model: ChannelModel): { why: Promise<string>; fail(why: string): void } {
    const { promise, resolve } = Promise.withResolvers<string>();
    let last = "the connection was closed";
    model.on("error", (error) => {
      last = this.#words(error);
    });
    model.on("close", () => resolve(last));
    this.#end = () => resolve("this node stops");
    if (this.#isStopped) this.#end();
    return { why: promise, fail: resolve };
  }

  async #listen(model: ChannelModel, fail: (why: string) => void): Promise<void> {
    const { exchange, topic, queue } = this.#options;
    await this.#declareExchange(model);
    const channel = await this.#open(model, fail);
    const dropped = `${queue}.dropped`;
    const kind = this.#options.isTransient === true ? { exclusive: true, durable: false } : { durable: true };
    const bounds = { "x-expires": NOTIFICATIONS_QUEUE_EXPIRES_MS, "x-overflow": "drop-head" };
    // What runs over falls into a queue of one place: so the broker itself says that something was dropped.
    await channel.assertQueue(dropped, { ...kind, arguments: { ...bounds, "x-max-length": 1 } });
    const { messageCount } = await channel.assertQueue(queue, {
      ...kind,
      arguments: {
        ...bounds,
        "x-max-length": NOTIFICATIONS_QUEUE_MAX,
        "x-max-length-bytes": NOTIFICATIONS_QUEUE_BYTES_MAX,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": dropped,
      },
    });
    await channel.bindQueue(queue, exchange, `${topic}.info`);
    await channel.prefetch(NOTIFICATIONS_PREFETCH);
    let old = messageCount;
    const consume = (from: string, take: (message: ConsumeMessage) => void) =>
      channel.consume(from, (message) => {
        if (message === null) return fail("the broker deleted our queue");
        channel.ack(message);
        take(message);
      });
    await consume(dropped, () => {
      if (this.#state.state === "connected") this.#handlers?.onGap("the broker dropped events that waited too long");
    });
    await consume(queue, (message) => {
      old -= 1;
      if (old >= 0 || message.fields.redelivered) this.#handlers?.onOther("old");
      else this.#take(message.content);
    });
  }

  /**
   * As Keystone declares it, if it is not there yet. One that is there is taken as it is: declared in another way it would
   * be refused, and so would Keystone be if we came first.
   */
  async #declareExchange(model: ChannelModel): Promise<void> {
    const { exchange, durable } = this.#options;
    try {
      const channel = await this.#open(model, () => undefined);
      await channel.checkExchange(exchange);
      await channel.close();
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== 404) throw error;
      const channel = await this.#open(model, () => undefined);
      await channel.assertExchange(exchange, "topic", { durable, autoDelete: false });
      await channel.close();
    }
  }

  async #open(model: ChannelModel, fail: (why: string) => void): Promise<Channel> {
    const channel = await model.createChannel();
    channel.on("error", (error) => fail(this.#words(error))); // Unheard, it would end the process.
    channel.on("close", () => fail("the broker closed our channel"));
    return channel;
  }

  #take(content: Uint8Array): void {
    const read = readNotification(content);
    if (read.is === "event") return void this.#handlers?.onEvent(read.event);
    if (read.is === "bad") {
      this.#badLogged += 1;
      if (this.#badLogged <= NOTIFICATIONS_BAD_LOGGED_MAX)
        this.#options.log.warn({ why: read.why }, "a message from the broker is no notification of a Keystone");
    }
    this.#handlers?.onOther(read.is);
  }

  /** Never with the password in it, whatever a library puts into its errors. */
  #words(error: unknown): string {
    return brokerWords(this.#options.url, error);
  }
}
