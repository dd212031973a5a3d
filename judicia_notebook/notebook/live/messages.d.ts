// Made by `make pages` from messages.py and the states and frames that its texts hold. Change those, not this.

// What a page says

/** A view of the widget is open, still open, or going. */
export interface View {
  type: "alive" | "bye" | "hello";
  view: string;
}

/** Allow these. A capability that takes a scope is granted without one only where it is offered so. */
export interface Grant {
  type: "do";
  op: "grant";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  grants: string[];
}

/** Allow a capability without a scope. */
export interface Widen {
  type: "do";
  op: "widen";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  capability: string;
}

/** Take these away. */
export interface Revoke {
  type: "do";
  op: "revoke";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  grants: string[];
}

/** Let the scopes of a granted capability be exactly these. */
export interface SetScope {
  type: "do";
  op: "scope";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  capability: string;
  scopes: string[];
}

/** One quota: a number in base units, or a text as it is typed; ``none`` is no limit of its own. */
export interface SetQuota {
  type: "do";
  op: "set_quota";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  kind: string;
  value: number | string;
  drag?: string;
}

/** Whether a denied host call is answered or ends the call. */
export interface OnDenied {
  type: "do";
  op: "on_denied";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  value: "error" | "trap";
}

/** Grant nothing, what the plugin asks for, or everything. */
export interface Preset {
  type: "do";
  op: "preset";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  preset: "asked" | "everything" | "nothing";
}

/** Take back the last change that this panel made to the plugin: `step`, if the page says which one it showed. */
export interface Undo {
  type: "do";
  op: "undo";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  step?: number | null;
}

/** End a call that runs or waits. */
export interface CancelCall {
  type: "do";
  op: "cancel";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  call: number;
}

/** Call a function with a JSON text; every so many milliseconds, if that is given. */
export interface MakeCall {
  type: "do";
  op: "call";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
  function: string;
  payload?: string;
  every_ms?: number | null;
}

/** End the repetition of a call. */
export interface StopCalls {
  type: "do";
  op: "stop";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
}

/** Show this plugin. */
export interface Choose {
  type: "do";
  op: "choose";
  id: number | string;
  plugin?: string;
  view?: string;
  seen?: number | null;
  narrowing?: boolean;
}

/** Something that a page asks for. */
export type Operation =
  | Grant
  | Widen
  | Revoke
  | SetScope
  | SetQuota
  | OnDenied
  | Preset
  | Undo
  | CancelCall
  | MakeCall
  | StopCalls
  | Choose;

// What the kernel says

/** An operation was carried out, and every state from this revision on has it. */
export interface Done {
  type: "done";
  id: number | string;
  revision: number;
}

/** An operation was not carried out, or a message was not understood. */
export interface Refused {
  type: "refused";
  id: number | string | null;
  error: Failure;
}

/** Everything that holds now, as JSON; a page draws only the highest revision it has heard. */
export interface Whole {
  type: "state";
  revision: number;
  state: string;
}

/** The kernel is there, and nothing is new. */
export interface Beat {
  type: "beat";
}

/** Which plugin the frames of an epoch are of. It is for all views if `view` is empty. */
export interface About {
  type: "about";
  view: string;
  epoch: number;
  window: number;
  outcomes: string;
  plugin: string;
  state: string;
  choices: string[] | null;
}

/** What happened since the frames before, as JSON. They are for all views if `view` is empty. */
export interface Frames {
  type: "frames";
  view: string;
  epoch: number;
  frames: string;
}

/** Why something was refused: the error's class, its sentence, and the line that helps. */
export interface Failure {
  type: string;
  message: string;
  hint: string;
}

/** A message of the kernel. */
export type Said =
  | Done
  | Refused
  | Whole
  | Beat
  | About
  | Frames;

// What the texts in them hold

/** Everything a panel shows. Without a plugin only `choices` says anything. */
export interface State {
  plugin: string;
  version: string;
  state: string;
  digest: string;
  about: string;
  abi: string;
  choices: Choice[] | null;
  policy_version: number;
  on_denied: string;
  capabilities: CapabilityRow[];
  imports: ImportRow[];
  imports_left: string;
  quotas: QuotaRow[];
  functions: FunctionRow[];
  running: RunningRow[];
  calls: CallRow[];
  log: LineRow[];
  audit: LineRow[];
  calls_made: number;
  calls_failed: number;
  denied: number;
  waiting: number;
  foreground: string;
  undo: string;
  undo_step: number;
  answer: Answer | null;
  repeating: string;
  first_tab: string;
}

/** Everything the card shows; texts are empty where not known. */
export interface HandleState {
  call: number;
  title: string;
  state: "cancelled" | "ending" | "failed" | "ok" | "running" | "waiting";
  elapsed: string;
  cpu: string;
  memory: string;
  host_calls: number;
  denied: number;
  answer: string;
  cost: string;
}

/** What happened since the frame before. Seconds, bytes; None is: no call, or no limit. */
export interface Frame {
  at: number;
  memory?: number | null;
  memory_limit?: number | null;
  cpu?: number | null;
  cpu_limit?: number | null;
  host?: { [key: string]: [number, number] };
  ended?: number;
  outcomes?: string;
  running?: number;
  waiting?: number;
}

/** One capability of a plugin. */
export interface CapabilityRow {
  name: string;
  about: string;
  granted: boolean;
  scopes: string[];
  bare: boolean;
  exact: boolean;
  asked: string[];
  refused: string[];
  offered: string[];
  imported: boolean;
  shape: string;
  allowed: number;
  denied: number;
  limited: number;
}

/** An import that a Python function answers, or that is granted or asked for as if one did. */
export interface ImportRow {
  grant: string;
  name: string;
  about: string;
  granted: boolean;
  by: string[];
  asked: boolean;
  answered: boolean;
  allowed: number;
  denied: number;
  limited: number;
}

/** One quota. `value` is None for no limit of its own; `asks` is what the manifest asks for beyond it. */
export interface QuotaRow {
  kind: string;
  label: string;
  about: string;
  unit: string;
  value: number | null;
  text: string;
  may_be_none: boolean;
  least: number;
  most: number;
  ceiling: string;
  used: number | null;
  used_text: string;
  share: number | null;
  of: string;
  live: boolean;
  over: boolean;
  asks: string;
}

/** A function that can be called: its name, as it is shown, what its manifest says of it, and a sample payload. */
export interface FunctionRow {
  name: string;
  label: string;
  about: string;
  fields: Field[];
  sample: string;
}

/** A call that runs or waits. */
export interface RunningRow {
  call: number;
  function: string;
  origin: string;
  waiting: boolean;
  elapsed: string;
  cpu: string;
  memory: string;
  host_calls: number;
  denied: number;
  ending: boolean;
}

/** A call that has ended. */
export interface CallRow {
  call: number;
  function: string;
  origin: string;
  outcome: string;
  ok: boolean;
  wall: string;
  cpu: string;
  memory: string;
  fuel: string;
  host_calls: number;
  denied: number;
  error: string;
}

/** A line of the log or the audit; `at` is seconds since the runtime began. */
export interface LineRow {
  at: string;
  what: string;
  text: string;
  by: string;
}

/** What came of the last call that this panel made. */
export interface Answer {
  function: string;
  ok: boolean;
  text: string;
  cost: string;
  made: number;
  failed: number;
}

/** A plugin that can be chosen; `last` is how its last call ended, empty before the first, and `ok` if that is well. */
export interface Choice {
  name: string;
  state: string;
  running: number;
  waiting: number;
  last: string;
  ok: boolean;
}

/** A field of a payload: whether it is required, which values it takes, and its schema's text. */
export interface Field {
  name: string;
  needed: boolean;
  kind: string;
  about: string;
}
