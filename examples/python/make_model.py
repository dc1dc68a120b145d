"""Writes a pickled model, TASK.pkl, fitted to the data set that `features` sends for a task: make_model.py regression|binary|classes."""
import pickle, sys
from sklearn import datasets, linear_model, pipeline, preprocessing

task = sys.argv[1]
if task == "regression":
    x, y = datasets.load_diabetes(return_X_y=True)
    model = linear_model.LinearRegression()
elif task == "binary":
    x, y = datasets.load_breast_cancer(return_X_y=True)
    model = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
else:
    iris = datasets.load_iris()
    x, y = iris.data, iris.target_names[iris.target]
    model = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
with open(task + ".pkl", "wb") as file:
    pickle.dump(model.fit(x, y), file)
