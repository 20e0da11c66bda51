// A room's life through any client: create, read, watch from where the answer was true, end, and resume after a break.
import { readFileSync } from "node:fs";

const operations = new URL("../../schema/operations/", import.meta.url);
const operation = (name) => readFileSync(new URL(`${name}.graphql`, operations), "utf8");

// `execute(document, variables)` resolves to the data; `subscribe(document, variables)` is an async iterable of data.
export async function lifecycle({ execute, subscribe }) {
  const { createRoom } = await execute(operation("create"), { input: { maxParticipants: 7 } });
  const { room } = await execute(operation("room"), { ref: createRoom.sid });

  const watch = async (after, isLast) => {
    const messages = [];
    for await (const { roomEvents } of subscribe(operation("watch"), { room: createRoom.sid, after })) {
      messages.push(roomEvents);
      if (roomEvents.__typename === "StreamStarted" && messages.length === 1 && after === createRoom.asOf) {
        await execute(operation("complete"), { ref: createRoom.sid });
      }
      if (isLast(messages)) break;
    }
    return messages;
  };

  const isCompleted = (message) => message.__typename === "RoomChanged" && message.room.status === "COMPLETED";
  const watched = await watch(createRoom.asOf, (messages) => isCompleted(messages.at(-1)));
  const resumed = await watch(watched[1].cursor, (messages) => messages.length === watched.length - 1);
  return { created: createRoom, read: room, watched, resumed };
}
