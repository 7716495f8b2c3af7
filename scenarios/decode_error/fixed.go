package half

import (
	"context"
	"iter"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type order struct {
	Amount int `bson:"amount"`
}

var failures []string // for the service's /debug page

var batches = options.Find().SetBatchSize(100)

// Run returns, for each report, how many amounts it read.
func Run(uri, database string, reports iter.Seq[int]) ([]int, error) {
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return nil, err
	}
	defer client.Disconnect(ctx)
	var counts []int
	for range reports {
		cursor, err := client.Database(database).Collection("orders").Find(ctx, bson.D{}, batches)
		if err != nil {
			return nil, err
		}
		amounts, err := read(ctx, cursor)
		if err != nil { // a bad order must not stop the other reports
			failures = append(failures, err.Error())
		}
		counts = append(counts, len(amounts))
	}
	return counts, nil
}

func read(ctx context.Context, cursor *mongo.Cursor) (amounts []int, err error) {
	defer cursor.Close(ctx)
	for cursor.Next(ctx) {
		var one order
		if err := cursor.Decode(&one); err != nil {
			return amounts, err
		}
		amounts = append(amounts, one.Amount)
	}
	return amounts, cursor.Err()
}
