// Reads a room as an application does. Compiled only, with the generated Go.
package app

import (
	"context"
	"time"

	"google.golang.org/grpc"

	rooms "rooms_gateway/v1"
)

func Age(ctx context.Context, connection *grpc.ClientConn) (time.Duration, error) {
	client := rooms.NewRoomServiceClient(connection)
	response, err := client.GetRoom(ctx, &rooms.GetRoomRequest{Room: "daily-standup"})
	if err != nil {
		return 0, err
	}
	room := response.GetRoom()
	if room.GetStatus() != rooms.RoomStatus_ROOM_STATUS_IN_PROGRESS {
		return 0, nil
	}
	return time.Since(room.GetCreateTime().AsTime()), nil
}
