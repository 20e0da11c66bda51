// A program that uses the generated types: it compiles only while they say what it relies on.
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import {
  CreateDocument, WatchDocument, type CreateMutation, type TimelineQuery, type WatchSubscription,
} from "./operations.js";
import type { MutationError, RoomRef } from "./schema.js";

declare function execute<Data, Variables>(
  document: TypedDocumentNode<Data, Variables>, variables: Variables,
): Promise<Data>;

export async function create(uniqueName: string): Promise<string> {
  const { createRoom }: CreateMutation = await execute(CreateDocument, { input: { uniqueName } });
  for (const error of createRoom?.errors ?? []) {
    if (error.__typename === "NameTaken" && error.room) return error.room.id;
    throw new Error(error.message);
  }
  if (!createRoom?.room) throw new Error("neither a room nor an error");
  return createRoom.room.id;
}

export const daily: RoomRef = { uniqueName: "daily" };
// @ts-expect-error A reference names a room in one way.
export const both: RoomRef = { uniqueName: "daily", sid: "RM0123456789abcdef0123456789abcdef" };
export const code = (error: MutationError): string => error.code;

// A list that fails is null in its own room. A program that forgets it does not compile.
export const steps = ({ room }: TimelineQuery): string[] =>
  room?.events?.nodes.map(({ type }) => type) ?? [];
// @ts-expect-error The list may be null.
export const unchecked = ({ room }: TimelineQuery) => room?.events.nodes;

export function describe({ roomEvents: message }: WatchSubscription): string {
  switch (message.__typename) {
    case "StreamStarted": return message.mode;
    case "ResyncRequired": return message.reason;
    case "Bookmark": case "Gap": return message.cursor;
    case "RoomEnded": return `${message.room.durationSeconds} seconds`;
    case "ParticipantConnected": return message.participant.identity ?? "somebody";
    case "TrackDisabled": return `${message.track.kind} ${message.track.isMuted}`;
    default: return message.type;
  }
}

export const watch = execute(WatchDocument, { room: daily });
