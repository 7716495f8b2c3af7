package half

import (
	"context"
	"iter"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Run returns the number of the newest event in the log, one per look.
func Run(uri, database string, looks iter.Seq[int]) ([]int32, error) {
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return nil, err
	}
	defer client.Disconnect(ctx)
	events := client.Database(database).Collection("log")
	var newest []int32
	for range looks {
		number, err := newestIn(ctx, events)
		if err != nil {
			return nil, err
		}
		newest = append(newest, number)
	}
	return newest, nil
}

func newestIn(ctx context.Context, events *mongo.Collection) (int32, error) {
	follow := options.Find().SetCursorType(options.Tailable).SetBatchSize(10)
	cursor, err := events.Find(ctx, bson.D{}, follow)
	if err != nil {
		return 0, err
	}
	defer cursor.Close(ctx)
	var event struct {
		ID int32 `bson:"_id"`
	}
	for cursor.TryNext(ctx) { // false: no more for now, or an error; the cursor stays open
		if err := cursor.Decode(&event); err != nil {
			return 0, err
		}
	}
	return event.ID, cursor.Err()
}
