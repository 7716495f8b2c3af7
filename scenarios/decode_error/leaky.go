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

// Run returns how many amounts every report could read.
func Run(uri, database string, reports iter.Seq[int]) ([]int, error) {
	ctx := context.Background()
	client, err := mongo.Connect(options.Client().ApplyURI(uri))
	if err != nil {
		return nil, err
	}
	defer client.Disconnect(ctx)
	var counts []int
	for range reports {
		amounts, err := read(ctx, client.Database(database).Collection("orders"))
		if err != nil { // a bad order must not stop the other reports
			failures = append(failures, err.Error())
		}
		counts = append(counts, len(amounts))
	}
	return counts, nil
}

func read(ctx context.Context, orders *mongo.Collection) (amounts []int, err error) {
	cursor, err := orders.Find(ctx, bson.D{}, options.Find().SetBatchSize(100))
	if err != nil {
		return nil, err
	}
	for cursor.Next(ctx) {
		var one order
		if err := cursor.Decode(&one); err != nil {
			return amounts, err
		}
		amounts = append(amounts, one.Amount)
	}
	return amounts, cursor.Err()
}
