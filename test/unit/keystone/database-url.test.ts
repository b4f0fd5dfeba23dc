import { describe, expect, it } from "vitest";
import { DatabaseError } from "../../../src/keystone/database/database-error.ts";
import { parseDatabaseUrl, placeOf } from "../../../src/keystone/database/database-url.ts";

describe("a database's URL", () => {
  it("is read as keystone.conf has it", () => {
    expect(
      parseDatabaseUrl("mysql+pymysql://keystone:p%40ss%2Fw+x@db.example.org:3307/keystone?charset=utf8\n"),
    ).toEqual({
      ...{ kind: "mariadb", host: "db.example.org", port: 3307, socket: undefined },
      ...{ user: "keystone", password: "p@ss/w x", database: "keystone", tls: undefined },
    });
    expect(parseDatabaseUrl("postgresql://keystone@[::1]/k")).toMatchObject({
      kind: "postgresql",
      host: "::1",
      port: 5432,
      password: "",
    });
    expect(parseDatabaseUrl("sqlite:////var/lib/keystone/keystone.db")).toEqual({
      kind: "sqlite",
      path: "/var/lib/keystone/keystone.db",
    });
  });

  it("may name a socket instead of a host", () => {
    expect(parseDatabaseUrl("mysql+pymysql://root@/keystone?unix_socket=/run/mysqld/mysqld.sock")).toMatchObject({
      socket: "/run/mysqld/mysqld.sock",
    });
    expect(parseDatabaseUrl("postgresql://k@/keystone?host=/run/postgresql")).toMatchObject({
      socket: "/run/postgresql",
    });
  });

  it("asks for TLS in the words of either library, and never drops one that it doesn't know", () => {
    expect(parseDatabaseUrl("mysql://k@h/k?ssl_ca=/ca.pem")).toMatchObject({ tls: { ca: "/ca.pem", verify: true } });
    expect(parseDatabaseUrl("postgresql://k@h/k?sslmode=require")).toMatchObject({
      tls: { ca: undefined, verify: false },
    });
    expect(parseDatabaseUrl("postgresql://k@h/k?sslmode=verify-full")).toMatchObject({ tls: { verify: true } });
    expect(parseDatabaseUrl("postgresql://k@h/k?sslmode=disable")).toMatchObject({ tls: undefined });
    expect(() => parseDatabaseUrl("mysql://k@h/k?ssl_cert=/mine.pem")).toThrow(/ssl_cert/);
    expect(() => parseDatabaseUrl("postgresql://k@h/k?sslmode=prefer")).toThrow(/sslmode/);
  });

  it.each([
    "",
    "oracle://u:s3cret@h/k",
    "mysql://u:s3cret@h",
    "mysql://u:s3cret@h/",
    "sqlite:///relative.db",
    "mysql://u:s3cret%@h/k",
    "http://u:s3cret@h/k",
  ])("%s is refused in one line without its password", (url) => {
    const refused = () => parseDatabaseUrl(url);
    expect(refused).toThrow(DatabaseError);
    expect(refused).toThrow(/^keystone\.database: (?!.*s3cret)[^\n]*$/);
  });

  it("has a place that names no password", () => {
    const place = (url: string) => placeOf(parseDatabaseUrl(url));
    expect(place("mysql://u:s3cret@h:1/k")).toBe("mariadb at h:1, database k");
    expect(place("postgresql://u:s3cret@[::1]/k")).toBe("postgresql at [::1]:5432, database k");
    expect(place("sqlite:////a/b")).toBe("sqlite at /a/b");
  });
});
