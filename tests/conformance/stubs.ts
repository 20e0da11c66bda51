// Reads a room as an application does. Compiled only, with the generated TypeScript.
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { RoomStatus } from "./rooms_gateway/v1/room_pb.js";
import {
  GetRoomRequestSchema,
  type GetRoomResponse,
  RoomService,
} from "./rooms_gateway/v1/room_service_pb.js";

export const request: Uint8Array = toBinary(
  GetRoomRequestSchema,
  create(GetRoomRequestSchema, { room: "daily-standup" }),
);

export const path = `/${RoomService.typeName}/${RoomService.method.getRoom.name}`;

export function age(response: GetRoomResponse): number | undefined {
  const { room } = response;
  if (room?.status !== RoomStatus.IN_PROGRESS || room.createTime === undefined) {
    return undefined;
  }
  return Date.now() - timestampDate(room.createTime).getTime();
}
