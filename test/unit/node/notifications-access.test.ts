// Where the broker's URL may stand, and that its password is never said.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadConfig } from "../../../src/node/config.ts";
import { brokerAccess } from "../../../src/node/notifications-access.ts";

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-config-"));
});
afterEach(() => rm(data, { recursive: true }));

async function urlFile(text: string, mode = 0o600) {
  const path = join(data, "broker-url");
  await writeFile(path, text);
  await chmod(path, mode);
  return brokerAccess({ urlFile: path }, "keymesh.yaml");
}

const config = async (text: string, mode: number) => {
  await writeFile(join(data, "keymesh.yaml"), `name: a\nkeystone: { cloud: a }\n${text}`);
  await chmod(join(data, "keymesh.yaml"), mode);
  return loadConfig(data);
};

describe("the broker's URL", () => {
  it("is read from a file of its own", async () => {
    expect(await urlFile("rabbit://k1:s3cret@127.0.0.1:5672/k1\n")).toEqual({
      url: "rabbit://k1:s3cret@127.0.0.1:5672/k1",
      exchange: "keystone",
      topic: "notifications",
      durable: false,
    });
  });

  it("is refused from a file that others may read", async () => {
    await expect(urlFile("amqp://k1:s3cret@127.0.0.1/k1", 0o640)).rejects.toMatchObject({
      code: "CONFIG_MODE",
      key: "notifications.urlFile",
      message: expect.stringContaining("chmod 600"),
    });
  });

  it("is refused where it is none, and not repeated", async () => {
    const refused = await urlFile("k1:s3cret@127.0.0.1").catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "CONFIG_BAD_VALUE" });
    expect(String(refused)).not.toContain("s3cret");
  });

  it("whose file is missing is told with the file's name", async () => {
    await expect(brokerAccess({ urlFile: join(data, "none") }, "keymesh.yaml")).rejects.toMatchObject({
      code: "CONFIG_NO_FILE",
      message: expect.stringContaining("none"),
    });
  });

  it("may stand in keymesh.yaml if nobody else may read that; relative files start at the data directory", async () => {
    const inline = 'notifications: { url: "amqp://k:s3cret@broker/v" }\n';
    await expect(config(inline, 0o644)).rejects.toMatchObject({ code: "CONFIG_MODE" });
    expect(await config(inline, 0o600)).toMatchObject({ notifications: { url: "amqp://k:s3cret@broker/v" } });
    expect(await config("notifications: { urlFile: broker-url }\n", 0o644)).toMatchObject({
      notifications: { urlFile: join(data, "broker-url") },
    });
  });
});
