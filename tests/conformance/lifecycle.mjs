// The lifecycle of a room with any client: create it, read it, watch it from the mutation's cursor
// on, complete it, and resume after a break. Returns all messages.
import { readFileSync } from "node:fs";

const operations = new URL("../../schema/operations/", import.meta.url);
const operation = (name) => readFileSync(new URL(`${name}.graphql`, operations), "utf8");

// `execute(document, variables)` resolves to the data. `subscribe(document, variables)` returns an
// async iterable of data.
export async function lifecycle({ execute, subscribe }) {
  const created = (await execute(operation("create"), { input: { maxParticipants: 7 } })).createRoom
    .room;
  const { room } = await execute(operation("room"), { ref: { sid: created.sid } });

  const watch = async (after, isLast) => {
    const messages = [];
    const stream = subscribe(operation("watch"), { room: { sid: created.sid }, after });
    for await (const { roomEvents } of stream) {
      messages.push(roomEvents);
      const isStarted = roomEvents.__typename === "StreamStarted" && messages.length === 1;
      if (isStarted && after === created.asOf) {
        await execute(operation("complete"), { input: { room: { sid: created.sid } } });
      }
      if (isLast(messages)) break;
    }
    return messages;
  };

  const isCompleted = (message) =>
    message.__typename === "RoomChanged" && message.room.status === "COMPLETED";
  const watched = await watch(created.asOf, (messages) => isCompleted(messages.at(-1)));
  const isComplete = (messages) => messages.length === watched.length - 1;
  const resumed = await watch(watched[1].cursor, isComplete);
  return { created, read: room, watched, resumed };
}
