// An agent that refunds and writes mails, each step judged before it is done.
//
// No packages: Node 22.18 and later run it as it is, because nothing in it but types has to go.
//
//     COUNTERFOIL_URL=https://api.example.com COUNTERFOIL_KEY=cfk_test_... node agent.ts
//
// It prints one line of JSON for each step. docs/runs.md explains each call.

import { createHash, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

type Money = { minor: number; currency: string };
type Params = { target?: string; amount?: Money };
type Reference = { ref: string; sha256: string; bytes: number };
type Action = { id: string; state: string; action_digest: string };
type Decision = { decision: string; effect: "ALLOW" | "REQUIRE" | "DENY"; rule: string; reason: string };
type Judged = { action: Action; decision?: Decision };
type Run = { id: string; state: string; counts: { decisions: number } };

/** The product answered with a problem; `code` says which (docs/problems.md). */
class Refused extends Error {
  status: number;
  code: string;
  constructor(status: number, problem: { title?: string; code?: string }) {
    super(problem.title ?? String(status));
    this.status = status;
    this.code = problem.code ?? "";
  }
}

/** The few calls that an agent needs. */
class Counterfoil {
  url: string;
  key: string;
  constructor(url: string, key: string) {
    this.url = url.replace(/\/$/, "");
    this.key = key;
  }

  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    // The same key again is the same request again: after a lost answer, nothing is done twice.
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this.key}`,
      "Idempotency-Key": randomUUID(),
    };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await fetch(this.url + path, {
          method,
          headers,
          body: body === undefined ? undefined : JSON.stringify(body),
          signal: AbortSignal.timeout(40_000),
        });
        const said = await answer.json();
        if (answer.ok) return said as T;
        // It was done and its answer is lost: the record says what came of it.
        if (said.code === "already-created") return await this.call<T>("GET", where(said.resource_id));
        const again = [429, 500, 502, 503, 504].includes(answer.status);
        if (!again && said.code !== "idempotency-in-flight") throw new Refused(answer.status, said);
        if (attempt === 4) throw new Refused(answer.status, said);
      } catch (error) {
        if (error instanceof Refused || attempt === 4) throw error;
      }
      await sleep(1_000 * 2 ** attempt);
    }
  }

  open(flow: string, version: string, inputs: Reference[]): Promise<Run> {
    const what = { id: flow, version_sha256: version, kind: "governed" };
    return this.call("POST", "/v1/runs", { flow: what, inputs });
  }

  async propose(run: string, kind: string, seq: number, reason: string, params: Params): Promise<Judged> {
    const body = { type: "run.action", params: { kind, ...params }, seq, reason };
    const said = await this.call<Judged | Action>("POST", `/v1/runs/${run}/actions`, body);
    return "action" in said ? said : { action: said };
  }

  /** Waits until people have decided, or the time to do so is over. */
  async decided(action: Action): Promise<Action> {
    while (action.state === "held") {
      action = await this.call<Action>("GET", `/v1/actions/${action.id}?wait=20`);
    }
    return action;
  }

  report(action: Action, status: "executed" | "failed", output?: Reference): Promise<Action> {
    const body = { status, action_digest: action.action_digest, output };
    return this.call("POST", `/v1/actions/${action.id}/result`, body);
  }

  complete(run: string, output: Reference): Promise<Run> {
    return this.call("POST", `/v1/runs/${run}/complete`, { output });
  }
}

/** Where a run or an action is read. */
function where(record: string): string {
  return (record.startsWith("run_") ? "/v1/runs/" : "/v1/actions/") + record;
}

function sha256(contents: string): string {
  return "sha256:" + createHash("sha256").update(contents).digest("hex");
}

/** Where something is and what it is: its contents stay here. */
function reference(ref: string, contents: string): Reference {
  return { ref, sha256: sha256(contents), bytes: Buffer.byteLength(contents) };
}

function step(said: Record<string, unknown>): void {
  console.log(JSON.stringify(said));
}

async function main(): Promise<void> {
  const api = new Counterfoil(process.env.COUNTERFOIL_URL ?? "", process.env.COUNTERFOIL_KEY ?? "");
  const version = sha256(await readFile(process.argv[1] ?? "", "utf8"));
  const batch = '{"refunds":[{"invoice":"invoice-1042","minor":2900}]}';
  let run = await api.open("refunds", version, [reference("memory:batch", batch)]);
  step({ run: run.id, state: run.state });

  const todo: [string, Params][] = [
    ["mail.send", { target: "ticket-77" }],
    ["refund.create", { target: "invoice-1042", amount: { minor: 2900, currency: "usd" } }],
  ];
  const done: string[] = [];
  for (const [seq, [kind, params]] of todo.entries()) {
    const judged = await api.propose(run.id, kind, seq, "ticket 77: charged twice", params);
    let action = judged.action;
    step({ act: action.id, kind, effect: judged.decision?.effect, rule: judged.decision?.rule });
    action = await api.decided(action);
    if (action.state !== "allowed" && action.state !== "approved") {
      step({ act: action.id, state: action.state });
      continue;
    }
    // Here the agent does it. What it did is told by reference and digest.
    const receipt = JSON.stringify({ done: kind, ...params });
    action = await api.report(action, "executed", reference(`memory:${action.id}`, receipt));
    step({ act: action.id, state: action.state });
    done.push(action.id);
  }

  run = await api.complete(run.id, reference("memory:summary", JSON.stringify(done)));
  step({ run: run.id, state: run.state, decisions: run.counts.decisions });
}

main().catch((error: unknown) => {
  const said = error instanceof Refused ? `${error.status} ${error.code}: ${error.message}` : String(error);
  console.error(said);
  process.exitCode = 1;
});
